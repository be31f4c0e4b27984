"""Studies on their way to and from remote AEs: asked for, carried out by durable jobs, shown while they go."""
