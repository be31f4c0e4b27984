/** Two patients side by side: who stays, whose studies become hers. */

import { Button } from 'antd'
import { useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { useText } from '../language'
import { CorrectDialog, type Proposal } from './correct-dialog'
import { PatientPicker } from './patient-picker'
import { proposalOf } from './proposals'
import type { PatientKey } from './types'

export default function MergePage() {
  const text = useText()
  const navigate = useNavigate()
  const [parameters, setParameters] = useSearchParams()
  const [proposal, setProposal] = useState<Proposal | null>(null)
  const goes = read(parameters.get('goes'))
  const stays = read(parameters.get('stays'))
  const put = (next: { goes: PatientKey | null; stays: PatientKey | null }) => {
    const address = new URLSearchParams()
    if (next.goes) address.set('goes', write(next.goes))
    if (next.stays) address.set('stays', write(next.stays))
    setParameters(address, { replace: true })
  }
  const propose = () => {
    if (!goes || !stays) return
    setProposal(
      proposalOf(
        '/api/corrections',
        { kind: 'merge', patient: goes, to: stays },
        {
          title: text('kind.merge'),
          explained: text('merge.explained', { goes: goes.id, stays: stays.id }),
          warning: text('merge.warning'),
          onePerson: true,
          confirm: text('correct.confirm', { act: text('kind.merge') }),
        },
      ),
    )
  }
  return (
    <div className="page">
      <div className="page-head">
        <Link to="/corrections">{text('corrections.title')}</Link>
        <h1>{text('kind.merge')}</h1>
      </div>
      <p className="quiet">{text('merge.how')}</p>
      <div className="side-by-side">
        <PatientPicker label={text('merge.goes')} chosen={goes} choose={(each) => put({ goes: each, stays })} except={stays} id="goes" />
        <PatientPicker label={text('merge.stays')} chosen={stays} choose={(each) => put({ goes, stays: each })} except={goes} id="stays" />
      </div>
      <div className="page-actions">
        <Button type="primary" size="large" disabled={!goes || !stays} onClick={propose} data-testid="merge-preview">
          {text('preview.open')}
        </Button>
        <Button disabled={!goes && !stays} onClick={() => put({ goes: stays, stays: goes })} data-testid="merge-swap">
          {text('merge.swap')}
        </Button>
      </div>
      <CorrectDialog proposal={proposal} close={() => setProposal(null)} done={() => void navigate('/corrections')} />
    </div>
  )
}

/** A key in the address: issuer and ID, which may hold anything, as JSON. */
function write(patient: PatientKey): string {
  return JSON.stringify([patient.issuer, patient.id])
}

function read(written: string | null): PatientKey | null {
  try {
    const parts: unknown = JSON.parse(written ?? 'null')
    if (!Array.isArray(parts) || parts.length !== 2) return null
    return { issuer: String(parts[0]), id: String(parts[1]) }
  } catch {
    return null
  }
}
