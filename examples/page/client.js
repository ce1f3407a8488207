/*
 * The browser client: signs in over the cookie transport, keeps the login fresh, lists and ends
 * devices. It depends on nothing and knows no page.
 *
 * It will never see, store or log a token: the cookie is HttpOnly and the browser carries it. It
 * never takes an outage for a sign-out, never waits without an end, and never talks to another host.
 *
 * For clients that keep a bearer token in storage of their own instead: read the newest token from
 * that storage immediately before each renewal, and never replace a token by one with a smaller
 * `iat`. Answers overtake each other; an older token that wins looks like theft one renewal later.
 * With cookies the jar is that storage, and the lock below makes it the newest.
 */

/** Times in seconds. */
const REQUEST_LIMIT = 10;
const LOCK_LIMIT = 30;
const PATIENCE = 20;
const SOONEST_RENEWAL = 1;
const RENEW_AGAIN_AFTER_FAILURE = 60;
const LONGEST_TIMER = 2 ** 31 / 1000 - 1;
const REPEATS = 3;

/** Denials after which only a new sign-in helps. All others keep the login. */
const ENDED = new Set(["token-missing", "token-invalid", "session-ended"]);
const RENEWABLE = new Set(["token-expired", "token-superseded"]);

/**
 * What went wrong, from the server's problem document (RFC 9457). Two codes are the client's own:
 * `unreachable` (no answer in time) and `stopped` (a sign-in or sign-out overtook the request).
 */
export class ApiError extends Error {
  constructor({ code, status = 0, title, detail = "", retryAfter = null, cause }) {
    super(detail ? `${title}: ${detail}` : title, { cause });
    this.name = "ApiError";
    Object.assign(this, { code, status, title, detail, retryAfter });
  }

  /** Whether the server said that this browser is not signed in. */
  get signedOut() {
    return ENDED.has(this.code);
  }
}

/**
 * Events: `signedout` (`detail.code`, `detail.wasSignedIn`), `elsewhere` (another tab signed in or
 * out: ask `whoAmI` again), `waiting` (`detail.seconds`: the server does not answer, the login stays).
 */
export class SessionClient extends EventTarget {
  #urls;
  #lock;
  #channel = null;
  #session = null;
  /** What belongs to one login: its timer, its renewal under way, and the signal that stops both. */
  #era = newEra();

  constructor({ prefix = "/auth", login = "/login", password = "/password" } = {}) {
    super();
    this.#urls = { prefix, login, password };
    this.#lock = `logout-all:${prefix}`;
    if (globalThis.BroadcastChannel) {
      this.#channel = new BroadcastChannel(this.#lock);
      this.#channel.onmessage = () => this.#heardFromAnotherTab();
    }
  }

  /** Signs in and answers with the session. */
  async signIn(username, password) {
    const body = { username, password, transport: "cookie" };
    // A lost answer is not repeated: it may have made a session, and a second would be an orphan.
    // The lock keeps another tab's late renewal from putting the old cookie over the new one.
    await this.#turn((era) =>
      this.#alone(era, () =>
        this.#send(era, "POST", this.#urls.login, { body, repeat: "when-refused" }),
      ),
    );
    const session = await this.whoAmI();
    this.#channel?.postMessage("changed");
    return session;
  }

  /** The session of this browser, from `GET /session`; also starts the renewals. */
  async whoAmI() {
    const era = this.#era;
    const session = await this.#call("GET", this.#path("/session"));
    this.#adopt(era, session);
    return session;
  }

  /** The user's devices, in the server's order. */
  async devices() {
    return (await this.#call("GET", this.#path("/sessions"))).devices;
  }

  /** Names a device; `null` takes the name away. Answers with the device. */
  rename(guid, label) {
    return this.#call("PATCH", this.#device(guid), { body: { label } });
  }

  /** Signs one device out; this one too. */
  async endDevice(guid) {
    const era = this.#era;
    await this.#call("DELETE", this.#device(guid));
    if (guid === this.#session?.guid) this.#leave(era, "signed-out");
  }

  /** Signs every other device out; answers with how many. */
  async endOthers() {
    return (await this.#call("DELETE", this.#path("/sessions/others"))).ended;
  }

  /** Signs every device out, this one included; answers with how many. */
  async endAll() {
    const era = this.#era;
    const { ended } = await this.#call("DELETE", this.#path("/sessions"));
    this.#leave(era, "signed-out-everywhere");
    return ended;
  }

  /** Signs this device out. While the server cannot be reached it fails, and the login stays. */
  async signOut() {
    const era = await this.#turn(async (era) => {
      await this.#send(era, "DELETE", this.#path("/session"));
      return era;
    });
    this.#leave(era, "signed-out");
  }

  /** Changes the password; the server signs every other device out. */
  async changePassword(old, fresh) {
    // Never repeated: if the change was made and its answer lost, the old password is wrong now,
    // and the repetition would report a failure that did not happen.
    const options = { body: { old, new: fresh }, repeat: "never", exclusive: true };
    const answer = await this.#call("POST", this.#urls.password, options);
    // The change stands, whatever becomes of this reading; it only re-times the next renewal.
    await this.whoAmI().catch(() => {});
    return answer;
  }

  #path(tail) {
    return this.#urls.prefix + tail;
  }

  #device(guid) {
    return this.#path(`/sessions/${encodeURIComponent(guid)}`);
  }

  /** One request as a signed-in user, with one retry or one renewal where the denial asks for it. */
  async #call(method, url, { exclusive, ...options } = {}) {
    const era = this.#era;
    const send = () => this.#send(era, method, url, options);
    let repeated = false;
    let renewed = false;
    for (;;) {
      try {
        return await (exclusive ? this.#alone(era, send) : send());
      } catch (error) {
        if (error.code === "token-superseded" && !repeated) {
          // Another tab renewed while this was under way; the jar holds the newer token by now.
          repeated = true;
        } else if (RENEWABLE.has(error.code) && !renewed) {
          // Superseded twice: the answer to a renewal was lost. Only a renewal can recover it.
          renewed = true;
          await this.#renew(era);
        } else {
          this.#leaveIfEnded(era, error);
          throw error;
        }
      }
    }
  }

  /** One renewal at a time in this tab, and through the lock in this browser. */
  #renew(era) {
    era.renewal ??= this.#alone(era, () => this.#renewIfStillNeeded(era))
      .catch((error) => {
        this.#leaveIfEnded(era, error);
        throw error;
      })
      .finally(() => {
        era.renewal = null;
      });
    return era.renewal;
  }

  async #renewIfStillNeeded(era) {
    const before = this.#session?.token_expires_at;
    try {
      const session = await this.#send(era, "GET", this.#path("/session"));
      if (session.token_expires_at !== before) return this.#adopt(era, session);
    } catch (error) {
      if (!RENEWABLE.has(error.code)) throw error;
    }
    const { renew_after: renewAfter } = await this.#send(era, "POST", this.#path("/session/renew"));
    this.#arm(era, renewAfter);
    // Presenting the new token tells the server that it arrived.
    const session = await this.#send(era, "GET", this.#path("/session"));
    // Close to the session's last moment a renewal gains nothing: ask ever more rarely.
    era.soonest =
      session.token_expires_at === before ? Math.min(era.soonest * 2, 60) : SOONEST_RENEWAL;
    this.#adopt(era, session);
  }

  #adopt(era, session) {
    if (era !== this.#era) return;
    this.#session = session;
    this.#arm(era, session.renew_after);
  }

  /** Up to a tenth early, so that many browsers which signed in together do not renew together. */
  #arm(era, seconds) {
    clearTimeout(era.timer);
    if (era.signal.aborted) return;
    const wait = Math.max(seconds, era.soonest) * (0.9 + 0.1 * Math.random());
    era.timer = setTimeout(
      () => this.#renew(era).catch(() => this.#arm(era, RENEW_AGAIN_AFTER_FAILURE)),
      Math.min(wait, LONGEST_TIMER) * 1000,
    );
  }

  /** Runs `work` while no other tab renews. A lock that does not come must not cost the login. */
  async #alone(era, work) {
    if (!globalThis.navigator?.locks) return work();
    const signal = AbortSignal.any([era.signal, AbortSignal.timeout(LOCK_LIMIT * 1000)]);
    let begun = false;
    try {
      return await navigator.locks.request(this.#lock, { signal }, () => {
        begun = true;
        return work();
      });
    } catch (error) {
      if (begun) throw error;
      if (era.signal.aborted) throw stopped(error);
      // The server gives simultaneous renewals one and the same successor.
      return work();
    }
  }

  /** Sends, and repeats a bounded number of times while the server cannot answer. */
  async #send(era, method, url, { body, repeat = "always" } = {}) {
    const begun = Date.now();
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await once(era.signal, method, url, body);
      } catch (error) {
        const seconds = pauseAfter(error, attempt, repeat);
        if (seconds === null || Date.now() + seconds * 1000 > begun + PATIENCE * 1000) throw error;
        this.#tell("waiting", { seconds });
        await sleep(seconds, era.signal);
      }
    }
  }

  /** Stops what is under way for the old login, and does `work`; if that fails, the login stays. */
  async #turn(work) {
    const era = this.#nextEra();
    try {
      return await work(era);
    } catch (error) {
      if (this.#session) this.#arm(era, RENEW_AGAIN_AFTER_FAILURE);
      throw error;
    }
  }

  #nextEra() {
    clearTimeout(this.#era.timer);
    this.#era.controller.abort();
    this.#era = newEra();
    return this.#era;
  }

  #leaveIfEnded(era, error) {
    if (ENDED.has(error.code)) this.#leave(era, error.code);
  }

  /** A late answer to a request of an earlier login says nothing about the present one. */
  #leave(era, code) {
    if (era !== this.#era) return;
    const wasSignedIn = this.#session !== null;
    this.#session = null;
    this.#nextEra();
    if (wasSignedIn) this.#channel?.postMessage("changed");
    this.#tell("signedout", { code, wasSignedIn });
  }

  /** All tabs share the jar, so what another tab did is true here; the server says what it was. */
  #heardFromAnotherTab() {
    this.#session = null;
    this.#nextEra();
    this.#tell("elsewhere", {});
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function newEra() {
  const controller = new AbortController();
  return {
    controller,
    signal: controller.signal,
    timer: undefined,
    renewal: null,
    soonest: SOONEST_RENEWAL,
  };
}

/** One request, one answer: the parsed body, `null` for 204, or an `ApiError`. */
async function once(signal, method, url, body) {
  const headers = { Accept: "application/json, application/problem+json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_LIMIT * 1000)]),
    });
    if (!response.ok) throw await problem(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal.aborted) throw stopped(error);
    throw new ApiError({ code: "unreachable", title: "The server did not answer", cause: error });
  }
}

async function problem(response) {
  const { status } = response;
  const retryAfter = secondsOf(response.headers.get("Retry-After"));
  const type = response.headers.get("Content-Type") ?? "";
  // A proxy's own error page is no problem document; nothing in it may sign anybody out.
  const known = /^application\/problem\+json\b/i.test(type) ? await response.json() : {};
  return new ApiError({
    code: text(known?.code) || `http-${status}`,
    status,
    title: text(known?.title) || `The server answered ${status}`,
    detail: text(known?.detail),
    retryAfter,
  });
}

function stopped(cause) {
  return new ApiError({ code: "stopped", title: "Overtaken by a sign-in or sign-out", cause });
}

/** Seconds before the next attempt, or null: do not try again. */
function pauseAfter(error, attempt, repeat) {
  const refused = error.status === 503;
  const lost = error.code === "unreachable";
  const allowed = repeat === "always" ? refused || lost : repeat === "when-refused" && refused;
  if (!allowed || attempt >= REPEATS) return null;
  // Jitter on top of what the server asked for, never below it.
  return (error.retryAfter ?? 0) + 0.5 * 2 ** attempt * (0.5 + Math.random());
}

/** `Retry-After` is a number of seconds or a date (RFC 9110, section 10.2.3). */
function secondsOf(value) {
  if (value === null) return null;
  if (/^\d+$/.test(value)) return Number(value);
  const until = Date.parse(value) - Date.now();
  return Number.isNaN(until) ? null : Math.max(0, until / 1000);
}

function text(value) {
  return typeof value === "string" ? value : "";
}

function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const give = () => {
      clearTimeout(timer);
      reject(stopped(signal.reason));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", give);
      resolve();
    }, seconds * 1000);
    if (signal.aborted) give();
    else signal.addEventListener("abort", give, { once: true });
  });
}
