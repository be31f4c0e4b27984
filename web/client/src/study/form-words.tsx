/** The words of a request, as the doctor wrote them. */

import type { CaseForm } from '../api/types'
import { useText } from '../language'

export function FormWords({ form }: { form: CaseForm }) {
  const text = useText()
  const lines: [string, string, string][] = [
    ['form-reason', text('request.reason'), form.reason],
    ['form-aim', text('request.aim'), form.aim],
    ['form-history', text('request.history'), form.history],
    ['form-doctor', text('request.doctor'), form.requestingDoctor],
    [
      'form-consent',
      text('request.consent'),
      text('request.consentWords', { who: form.consent.who, at: form.consent.at, how: text(`consent.${form.consent.how}`) }),
    ],
  ]
  return (
    <dl className="words">
      {lines
        .filter(([, , value]) => value)
        .map(([id, label, value]) => (
          <div key={id}>
            <dt>{label}</dt>
            <dd data-testid={id}>{value}</dd>
          </div>
        ))}
    </dl>
  )
}
