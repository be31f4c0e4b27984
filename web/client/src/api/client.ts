/** One way to the node: JSON in and out, the CSRF value on every change, errors as one class. */

import type { Me } from './types'

/** An answer that is not a success, in the node's words; `code` picks ours from the catalogue. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message)
  }
}

let csrf = ''
const refusals = new Set<(error: ApiError) => void>()

/** Take over the CSRF value that the next change must carry. */
export function keepIdentity(me: Me): void {
  csrf = me.csrf
}

/** Hear of answers that mean the session is over or the password must change. */
export function onRefusal(hear: (error: ApiError) => void): () => void {
  refusals.add(hear)
  return () => refusals.delete(hear)
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/**
 * Ask the node.
 *
 * Rejects with `ApiError`: code `offline` when no answer came, else the node's own code.
 */
export async function ask<T>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-CSRF'] = csrf
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const request: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store' }
  if (body !== undefined) request.body = JSON.stringify(body)
  if (signal) request.signal = signal
  let response: Response
  try {
    response = await fetch(path, request)
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError(0, 'offline', 'No answer came from the node.')
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T
  const error = await errorOf(response)
  if (error.status === 401 || error.code === 'must-change') refusals.forEach((hear) => hear(error))
  throw error
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => ask<T>('GET', path, undefined, signal)
export const post = <T>(path: string, body: unknown = {}): Promise<T> => ask<T>('POST', path, body)
export const put = <T>(path: string, body: unknown): Promise<T> => ask<T>('PUT', path, body)
export const remove = <T>(path: string): Promise<T> => ask<T>('DELETE', path)

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    const { code, message, ...details } = error
    return new ApiError(response.status, code, message, details)
  } catch {
    return new ApiError(response.status, 'no-words', response.statusText)
  }
}
