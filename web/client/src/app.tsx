/** The table of pages and what stands around them all. */

import { App as Surroundings, ConfigProvider } from 'antd'
import enGB from 'antd/locale/en_GB'
import zhCN from 'antd/locale/zh_CN'
import 'dayjs/locale/zh-cn'
import { lazy } from 'react'
import { createBrowserRouter, RouterProvider, type RouteObject } from 'react-router'
import { useLanguage } from './language'
import { ForRoles, Home, SignedIn } from './session/guard'
import { LoginPage } from './session/login'
import { PasswordPage } from './session/password'
import { SessionProvider } from './session/session'
import { SetupPage } from './session/setup'
import { KeysProvider } from './shell/keys'
import { Missing } from './shell/missing'
import { Shell } from './shell/shell'
import { LIGHT } from './theme'

const StudiesPage = lazy(() => import('./studies/page'))
const StudyPage = lazy(() => import('./study/page'))
const ConsultsPage = lazy(() => import('./consults/page'))
const ReadingPage = lazy(() => import('./reading/page'))
const ViewPage = lazy(() => import('./reading/view-page'))
const CorrectionsPlace = lazy(() => import('./corrections/place'))
const AlliancePage = lazy(() => import('./alliance/page'))
const NodePage = lazy(() => import('./node/page'))
const RemotesPage = lazy(() => import('./remotes/page'))
const StoragePage = lazy(() => import('./storage/page'))
const MePage = lazy(() => import('./me/page'))

const clinical = (page: React.ReactNode) => <ForRoles roles={['technician', 'expert']}>{page}</ForRoles>
const technical = (page: React.ReactNode) => <ForRoles roles={['technician']}>{page}</ForRoles>
const administration = (page: React.ReactNode) => <ForRoles roles={['administrator']}>{page}</ForRoles>

const ROUTES: RouteObject[] = [
  { path: '/login', element: <LoginPage /> },
  { path: '/setup/:token', element: <SetupPage /> },
  { path: '/password', element: <PasswordPage /> },
  {
    element: (
      <SignedIn>
        <Shell />
      </SignedIn>
    ),
    errorElement: <Missing broken />,
    children: [
      { path: '/', element: <Home /> },
      { path: '/studies', element: clinical(<StudiesPage />) },
      { path: '/studies/:origin/:uid', element: clinical(<StudyPage />) },
      { path: '/studies/:origin/:uid/corrections', element: technical(<CorrectionsPlace page="study" />) },
      { path: '/corrections', element: technical(<CorrectionsPlace page="list" />) },
      { path: '/corrections/merge', element: technical(<CorrectionsPlace page="merge" />) },
      { path: '/consults', element: clinical(<ConsultsPage />) },
      { path: '/remotes/:tab?', element: <ForRoles roles={['technician']}><RemotesPage /></ForRoles> },
      { path: '/alliance', element: administration(<AlliancePage />) },
      { path: '/storage/:tab?', element: administration(<StoragePage />) },
      { path: '/node/:tab?', element: administration(<NodePage />) },
      { path: '/me', element: <MePage /> },
      { path: '*', element: <Missing /> },
    ],
  },
  { path: '/read/:caseId', element: <SignedIn>{clinical(<ReadingPage />)}</SignedIn>, errorElement: <Missing broken /> },
  { path: '/view/:origin/:uid', element: <SignedIn>{clinical(<ViewPage />)}</SignedIn>, errorElement: <Missing broken /> },
]

const router = createBrowserRouter(ROUTES)

export function App() {
  const language = useLanguage()
  return (
    <ConfigProvider locale={language === 'zh' ? zhCN : enGB} theme={LIGHT} button={{ autoInsertSpace: false }}>
      <Surroundings>
        <SessionProvider>
          <KeysProvider>
            <RouterProvider router={router} />
          </KeysProvider>
        </SessionProvider>
      </Surroundings>
    </ConfigProvider>
  )
}
