/** A whole as its parts, side by side, with what each is called. */

export interface Piece {
  tone: 'first' | 'second' | 'third' | 'room'
  label: string
  value: number
  words: string
}

export function Bar({ label, pieces }: { label: string; pieces: Piece[] }) {
  const whole = pieces.reduce((sum, piece) => sum + piece.value, 0)
  return (
    <div>
      <div className="parts" role="img" aria-label={`${label}: ${pieces.map((piece) => `${piece.label} ${piece.words}`).join(', ')}`}>
        {pieces.map(
          (piece) =>
            piece.value > 0 && <span key={piece.tone} className={piece.tone} style={{ flexGrow: piece.value / whole }} />,
        )}
      </div>
      <dl className="legend" aria-hidden="true">
        {pieces.map((piece) => (
          <div key={piece.tone}>
            <dt>
              <span className={`swatch ${piece.tone}`} /> {piece.label}
            </dt>
            <dd>{piece.words}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
