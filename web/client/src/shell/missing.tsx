/** No such page, or one that broke: said, with a way out. */

import { Button } from 'antd'
import { useText } from '../language'

export function Missing({ broken = false }: { broken?: boolean }) {
  const text = useText()
  return (
    <div className="page" role="alert">
      <h1>{text(broken ? 'page.broken' : 'page.missing')}</h1>
      <p>{text(broken ? 'page.brokenHow' : 'page.missingHow')}</p>
      <Button type="primary" href="/">
        {text('page.home')}
      </Button>
    </div>
  )
}
