/** Which page comes first: sign in, choose a password, or where one was going. */

import { Spin } from 'antd'
import { Suspense, type ReactNode } from 'react'
import { Navigate, useLocation } from 'react-router'
import type { Role } from '../api/types'
import { useText } from '../language'
import { Failure } from '../shown/failure'
import { useSession } from './session'

export function homeOf(roles: Role[]): string {
  if (roles.includes('expert')) return '/consults'
  return roles.includes('technician') ? '/studies' : '/alliance'
}

export function Waiting() {
  const text = useText()
  return (
    <div className="waiting" role="status" aria-label={text('common.loading')}>
      <Spin delay={250} />
    </div>
  )
}

/** Let only people through who are signed in under a password of their own. */
export function SignedIn({ children }: { children: ReactNode }) {
  const { me, error, again } = useSession()
  const { pathname, search } = useLocation()
  if (!me) return error ? <Failure error={error} again={again} /> : <Waiting />
  if (!me.person) return <Navigate to="/login" replace state={{ from: pathname + search }} />
  if (me.person.mustChange) return <Navigate to="/password" replace />
  return <Suspense fallback={<Waiting />}>{children}</Suspense>
}

/** Let only some roles through; the others are told, not thrown out. */
export function ForRoles({ roles, children }: { roles: Role[]; children: ReactNode }) {
  const text = useText()
  const { me } = useSession()
  if (me?.person?.roles.some((role) => roles.includes(role))) return children
  return (
    <div className="page">
      <h1>{text('error.refused')}</h1>
      <p>{text('error.roleNeeded', { roles: roles.map((role) => text(`role.${role}`)).join(text('common.listMark')) })}</p>
    </div>
  )
}

export function Home() {
  const { me } = useSession()
  return <Navigate to={homeOf(me?.person?.roles ?? [])} replace />
}
