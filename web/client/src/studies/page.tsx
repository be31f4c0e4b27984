/** The study list: what came in, is it complete, has it been answered? */

import { Button, Input, Segmented, type InputRef } from 'antd'
import { useRef } from 'react'
import { about } from '../api/resource'
import type { Study } from '../api/types'
import { useLanguage, useText } from '../language'
import { useAddressed, useTyped } from '../lists/address'
import { Table } from '../lists/table'
import { useKeys } from '../shell/keys'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'
import { count } from '../shown/size'
import { useColumns } from './columns'
import { HowToSend } from './how-to-send'
import { usePages } from './pages'

const STATES = ['', 'receiving', 'complete'] as const
/** Of words or a state no more are counted, and then one more. */
const MOST_COUNTED = 10_000

export default function StudiesPage() {
  const text = useText()
  const language = useLanguage()
  const words = useTyped('text')
  const [state, setState] = useAddressed('state')
  const query = new URLSearchParams({ text: words.value, state, limit: '100' }).toString()
  const studies = usePages<Study>(`/api/studies?${query}`, (study) => `${study.origin}/${study.studyUid}`, about('study', 'case', 'report'))
  const columns = useColumns()
  const field = useRef<InputRef>(null)
  useKeys([{ key: '/', label: 'keys.filter', act: () => field.current?.focus() }])
  const filtered = words.value !== '' || state !== ''

  return (
    <div className="page">
      <div className="page-head">
        <h1>{text('studies.title')}</h1>
        <Input
          ref={field}
          allowClear
          value={words.typed}
          onChange={(event) => words.type(event.target.value)}
          placeholder={text('studies.filter')}
          aria-label={text('studies.filter')}
          className="filter"
          data-testid="studies-filter"
        />
        <Segmented
          value={state}
          onChange={(value) => setState(String(value))}
          options={STATES.map((each) => ({ value: each, label: text(each === '' ? 'studies.all' : `study.${each}`) }))}
          data-testid="studies-state"
        />
        {studies.total !== null && (
          <span className="quiet total" data-testid="studies-total">
            {filtered && studies.total > MOST_COUNTED
              ? text('studies.many', { shown: count(MOST_COUNTED, language) })
              : text('studies.total', { count: studies.total, shown: count(studies.total, language) })}
          </span>
        )}
      </div>
      {studies.error && <Failure error={studies.error} again={studies.reload} />}
      {studies.items === null ? (
        !studies.error && <Waiting />
      ) : (
        <Table
          label={text('studies.title')}
          columns={columns}
          items={studies.items}
          keyOf={(study) => `${study.origin}/${study.studyUid}`}
          reset={query}
          pageOf={(study) => `/studies/${study.origin}/${study.studyUid}`}
          testIdOf={(study) => `study-row-${study.studyUid}`}
          toneOf={(study) => (study.conflict >= 2 ? 'alarm' : '')}
          empty={filtered ? <p>{text('studies.noneMatch')}</p> : <HowToSend />}
        />
      )}
      {studies.more && (
        <Button onClick={studies.more} loading={studies.loading} data-testid="studies-more">
          {text('list.more')}
        </Button>
      )}
    </div>
  )
}
