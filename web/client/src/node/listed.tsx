/** A table of the node's own things; each line carries its buttons. */

import type { ReactNode } from 'react'
import type { Resource } from '../api/resource'
import { Waiting } from '../session/guard'
import { Failure } from '../shown/failure'

export interface Heading<T> {
  key: string
  title: string
  show: (item: T) => ReactNode
  className?: string
}

interface ListedProps<T> {
  label: string
  resource: Pick<Resource<{ items: T[] }>, 'value' | 'error' | 'reload'>
  headings: Heading<T>[]
  keyOf: (item: T) => string
  testIdOf: (item: T) => string
  toneOf?: (item: T) => string
  empty: string
}

export function Listed<T>({ label, resource, headings, keyOf, testIdOf, toneOf, empty }: ListedProps<T>) {
  const { value, error, reload } = resource
  if (!value) return error ? <Failure error={error} again={reload} /> : <Waiting />
  return (
    <>
      {error && <Failure error={error} again={reload} />}
      {value.items.length === 0 ? (
        <div className="empty">{empty}</div>
      ) : (
        <table className="lines plain" aria-label={label}>
          <thead>
            <tr>
              {headings.map((heading) => (
                <th key={heading.key} scope="col" className={heading.className}>
                  {heading.title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {value.items.map((item) => (
              <tr key={keyOf(item)} data-testid={testIdOf(item)} className={toneOf?.(item)}>
                {headings.map((heading) => (
                  <td key={heading.key} className={heading.className}>
                    {heading.show(item)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  )
}
