import { createRoot } from 'react-dom/client'
import { App } from './app'
import { startLanguage } from './language'
import './style.css'

startLanguage()
const root = document.getElementById('root')
if (!root) throw new Error('The page has no root element.')
createRoot(root).render(<App />)
