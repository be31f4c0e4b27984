/** The empty study list: how a device sends here. */

import { useText } from '../language'
import { useSession } from '../session/session'

export function HowToSend() {
  const text = useText()
  const { me } = useSession()
  const dicom = me?.node.dicom
  return (
    <section data-testid="studies-empty">
      <h2>{text('studies.none')}</h2>
      <p>{text('studies.noneHow')}</p>
      {dicom ? (
        <dl className="facts">
          <div>
            <dt>{text('dicom.aet')}</dt>
            <dd className="code">{dicom.aet}</dd>
          </div>
          <div>
            <dt>{text('dicom.host')}</dt>
            <dd className="code">{dicom.host || window.location.hostname}</dd>
          </div>
          <div>
            <dt>{text('dicom.port')}</dt>
            <dd className="code">{dicom.port}</dd>
          </div>
        </dl>
      ) : (
        <p>{text('studies.askAdministrator')}</p>
      )}
      <p className="quiet">{text('studies.noneAdmit')}</p>
    </section>
  )
}
