/** A rule for copies in two lines: for which studies, and what is done with them. */

import { Button } from 'antd'
import type { CopyRule } from '../api/storage'
import { useLanguage, useText, type Text } from '../language'
import { Mark } from '../shown/mark'
import { byteSize } from '../shown/size'
import type { Language } from '../language'
import { DEFAULT, LEGAL_HOLD, narrows } from './copy-rules'

interface RuleLineProps {
  rule: CopyRule
  stores: number
  place: number
  /** Missing for the rule of all others, which stays as it is. */
  edit?: () => void
  up?: (() => void) | null
  down?: (() => void) | null
  remove?: () => void
}

export function RuleLine({ rule, stores, place, edit, up, down, remove }: RuleLineProps) {
  const text = useText()
  const language = useLanguage()
  const isDefault = rule.name === DEFAULT
  const name = isDefault ? text('copyRules.others') : rule.name
  return (
    <li className={isDefault ? 'card others' : 'card'} data-testid={`copy-rule-${rule.name}`}>
      <span className="place tabular">{place}</span>
      <div className="copy-rule-words">
        <b>{name}</b>
        <span>{text('copyRules.for', { which: isDefault ? text('copyRules.allOthers') : which(rule, text, language) })}</span>
        <span className="quiet">{what(rule, text)}</span>
        {rule.copies > stores && (
          <Mark shape="triangle" tone="warn">
            {text('copyRules.fewStores', { copies: rule.copies, stores })}
          </Mark>
        )}
      </div>
      {edit && (
        <span className="buttons">
          <Button size="small" disabled={!up} onClick={up ?? undefined} aria-label={text('copyRules.upOf', { name })} data-testid="copy-rule-up">
            {text('copyRules.up')}
          </Button>
          <Button size="small" disabled={!down} onClick={down ?? undefined} aria-label={text('copyRules.downOf', { name })} data-testid="copy-rule-down">
            {text('copyRules.down')}
          </Button>
          <Button size="small" onClick={edit} aria-label={text('copyRules.editOf', { name })} data-testid="copy-rule-edit">
            {text('common.edit')}
          </Button>
          <Button size="small" danger onClick={remove} aria-label={text('copyRules.removeOf', { name })} data-testid="copy-rule-remove">
            {text('common.remove')}
          </Button>
        </span>
      )}
    </li>
  )
}

/** For which studies. */
export function which(rule: CopyRule, text: Text, language: Language): string {
  if (!narrows(rule)) return text('copyRules.all')
  const mark = text('common.listMark')
  const words = [
    rule.modalities.length > 0 && rule.modalities.join(mark),
    rule.departments.length > 0 && rule.departments.join(mark),
    rule.olderThanMonths !== null && text('copyRules.older', { count: rule.olderThanMonths }),
    rule.youngerThanMonths !== null && text('copyRules.younger', { count: rule.youngerThanMonths }),
    rule.atLeastBytes !== null && text('copyRules.atLeast', { size: byteSize(rule.atLeastBytes, language) }),
    rule.lessThanBytes !== null && text('copyRules.lessThan', { size: byteSize(rule.lessThanBytes, language) }),
  ]
  return words.filter(Boolean).join(text('copyRules.and'))
}

/** What is done with them. */
function what(rule: CopyRule, text: Text): string {
  const words = [
    rule.archiveAfterHours === 0
      ? text('copyRules.archiveAtOnce')
      : text('copyRules.archiveAfter', { hours: rule.archiveAfterHours }),
    text('copyRules.onlineFor', { count: rule.expireAfterMonths }),
    text('copyRules.copiesOf', { count: rule.copies }),
    retention(rule, text),
    rule.profile === 'fast' && text('copyRules.fast'),
    rule.deletes && text('copyRules.deletes'),
  ]
  return words.filter(Boolean).join(' · ')
}

function retention(rule: CopyRule, text: Text): string {
  if (rule.retention === LEGAL_HOLD) return text('copyRules.keptForGood')
  const years = /^(\d+)y$/.exec(rule.retention)?.[1]
  return years ? text('copyRules.keptYears', { years }) : text('copyRules.keptByCare')
}
