"""What other systems of the hospital say: so far, who is expected on a day."""
