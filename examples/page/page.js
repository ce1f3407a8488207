/*
 * The devices page: shows what client.js answers and turns clicks into its calls.
 *
 * It will never turn data into markup: device names, user agents and labels are chosen by whoever
 * signed in, a thief included, so they only ever become text. It decides nothing about sessions.
 */

import { SessionClient } from "./client.js";

const client = new SessionClient();
const byId = (id) => document.getElementById(id);
const main = byId("main");

const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const LABEL_LIMIT = 64;
const WAITING = "The server does not answer at the moment; trying again. You stay signed in.";

let working = false;
let queued = null;

/** What to tell a person; for all other codes the server's own words are shown. */
const WORDS = {
  "credentials-invalid": "That password is not right. Nothing was changed.",
  "store-unavailable": "The server cannot reach its store at the moment. You stay signed in; try again.",
  overloaded: "The server is busy. Try again in a moment.",
  unreachable: "The server did not answer. Nothing is known to have changed; try again.",
  "not-found": "That device is already signed out.",
  "login-overtaken": "You were signed out everywhere while signing in. Sign in again.",
  "reauthentication-required": "For this the server wants you to sign in again.",
};

const GOODBYES = {
  "signed-out": "You are signed out of this device.",
  "signed-out-everywhere": "You are signed out of every device.",
  "session-ended": "This device was signed out. Sign in again.",
  "token-invalid": "The server does not know this login. Sign in again.",
  "token-missing": "You are signed out.",
};

byId("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    const password = byId("password").value;
    try {
      await enter(await client.signIn(byId("username").value, password));
    } catch (error) {
      if (error.code !== "credentials-invalid") throw error;
      complain("User name or password is not right.");
      byId("password").select();
      return;
    }
    say("You are signed in.");
    byId("account-heading").focus();
  });
});

byId("signout").addEventListener("click", () => act(() => client.signOut()));

byId("refresh").addEventListener("click", () =>
  act(async () => {
    await open();
    say("The list is up to date.");
  }),
);

byId("end-others").addEventListener("click", () =>
  act(async () => {
    const ended = await client.endOthers();
    await refresh();
    say(ended === 0 ? "No other device was signed in." : `${count(ended)} signed out.`);
  }),
);

// A dialog gives the focus back to the button that opened it.
byId("end-all").addEventListener("click", () => byId("confirm").showModal());
byId("confirm-no").addEventListener("click", () => byId("confirm").close());
byId("confirm-yes").addEventListener("click", () => {
  byId("confirm").close();
  act(async () => {
    const ended = await client.endAll();
    say(`You are signed out everywhere: ${count(ended)}.`);
  });
});

byId("password-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    const old = byId("password-old");
    try {
      await client.changePassword(old.value, byId("password-new").value);
    } catch (error) {
      if (error.code === "credentials-invalid") old.select();
      throw error;
    }
    byId("password-form").reset();
    byId("devices-heading").focus();
    say("Your password is changed, and every other device is signed out.");
    await refresh();
  });
});

byId("retry").addEventListener("click", () => act(open));

client.addEventListener("signedout", ({ detail }) => {
  const wasSignedIn = detail.wasSignedIn || !byId("account").hidden;
  showSignIn();
  if (!wasSignedIn) return;
  say(GOODBYES[detail.code] ?? GOODBYES["token-missing"]);
  byId("signin-heading").focus();
});

client.addEventListener("elsewhere", () => act(open));

client.addEventListener("waiting", () => {
  if (working) say(WAITING);
});

document.addEventListener("visibilitychange", async () => {
  const untouchable = () =>
    document.hidden || working || byId("account").hidden || byId("devices").querySelector("form");
  if (untouchable()) return;
  try {
    const devices = await client.devices();
    if (!untouchable()) draw(devices);
  } catch {
    // Nobody asked for this reading; if the login ended, the event above has said so.
  }
});

setInterval(() => {
  for (const time of byId("devices").querySelectorAll("time[data-relative]")) tellTime(time);
}, 30_000);

act(open);

/** Whoever this browser is signed in as, or the sign-in form. */
async function open() {
  await enter(await client.whoAmI());
}

async function enter(session) {
  const name = session.user?.username ?? session.user?.name ?? session.user_id;
  byId("account-name").textContent = String(name);
  byId("password-username").value = String(name);
  byId("signin-form").reset();
  byId("signin").hidden = true;
  byId("account").hidden = false;
  await refresh();
}

function showSignIn() {
  if (byId("confirm").open) byId("confirm").close();
  byId("account").hidden = true;
  byId("account-name").textContent = "";
  byId("password-username").value = "";
  byId("password-form").reset();
  byId("devices").replaceChildren();
  byId("signin").hidden = false;
}

/** One action at a time; a second click waits for nothing and does nothing. */
async function act(work) {
  if (working) {
    // What another tab did must not get lost behind an action that it interrupted.
    if (work === open) queued = open;
    return;
  }
  working = true;
  main.setAttribute("aria-busy", "true");
  byId("retry").hidden = true;
  say("");
  complain("");
  try {
    await work();
    if (byId("status").textContent === WAITING) say("");
  } catch (error) {
    report(error);
  } finally {
    working = false;
    main.setAttribute("aria-busy", "false");
  }
  const next = queued;
  queued = null;
  if (next) await act(next);
}

function report(error) {
  // Both are told elsewhere: by the `signedout` event, and by whatever overtook the request.
  if (error.signedOut || error.code === "stopped") return;
  say("");
  const wait = error.retryAfter > 1 ? ` Wait ${Math.ceil(error.retryAfter)} seconds.` : "";
  complain((WORDS[error.code] ?? `${error.message}.`.replace("..", ".")) + wait);
  byId("retry").hidden = !(byId("signin").hidden && byId("account").hidden);
}

function say(words) {
  byId("status").textContent = words;
}

function complain(words) {
  byId("alert").textContent = words;
}

function count(devices) {
  return devices === 1 ? "1 device" : `${devices} devices`;
}

async function refresh() {
  draw(await client.devices());
}

/** Shows the list and keeps the focus on the control that has it. */
function draw(devices) {
  const focused = byId("devices").contains(document.activeElement) && document.activeElement.id;
  byId("devices").replaceChildren(...devices.map(deviceItem));
  if (focused) (byId(focused) ?? byId("devices-heading")).focus();
}

function deviceItem(device) {
  const { guid } = device;
  const made = device.device || "Unknown device";
  const name = device.label || made;

  const heading = element("h3", { id: `name-${guid}`, className: "device-name", tabIndex: -1 });
  heading.append(element("bdi", { textContent: name }));
  if (device.current) {
    heading.append(" ", element("span", { className: "badge", textContent: "This device" }));
  }

  const seen = element("p", { id: `seen-${guid}` });
  seen.append("Last active ", timeElement(device.last_seen_at, "relative"));

  const origin = element("p", { className: "quiet" });
  if (device.label) origin.append(element("bdi", { textContent: made }), " · ");
  origin.append("Signed in ", timeElement(device.created_at, "exact"));
  if (device.ip) origin.append(" · ", element("bdi", { textContent: device.ip }));

  const rename = actionButton("rename", "Rename", name, guid);
  rename.addEventListener("click", () => openRename(item, device, name));
  const end = actionButton("end", "Sign out", name, guid);
  end.addEventListener("click", () => act(() => endOne(device, name)));
  const actions = element("p", { className: "actions" });
  actions.append(rename, end);

  const item = element("li", { className: device.current ? "device current" : "device" });
  item.dataset.guid = guid;
  item.append(heading, seen, origin, actions);
  return item;
}

async function endOne(device, name) {
  const item = byId(`end-${device.guid}`).closest("li");
  const neighbour = item.nextElementSibling ?? item.previousElementSibling;
  try {
    await client.endDevice(device.guid);
  } catch (error) {
    if (error.code === "not-found") await refresh();
    throw error;
  }
  if (byId("account").hidden) return;
  await refresh();
  say(`${name} is signed out.`);
  const next = neighbour && byId(`name-${neighbour.dataset.guid}`);
  (next ?? byId("devices-heading")).focus();
}

function openRename(item, device, name) {
  const { guid } = device;
  const opener = byId(`rename-${guid}`);
  if (item.querySelector("form")) return;

  const label = element("label", { htmlFor: `label-${guid}` });
  label.append("New name for ", element("bdi", { textContent: name }));
  const input = element("input", { id: `label-${guid}`, autocomplete: "off" });
  input.value = device.label ?? "";
  const problem = element("p", { id: `problem-${guid}`, className: "field-problem" });
  input.setAttribute("aria-describedby", problem.id);
  const field = element("div", { className: "field" });
  field.append(label, input, problem);

  const save = actionButton("save", "Save the name", null, guid);
  save.type = "submit";
  const cancel = actionButton("cancel", "Cancel", null, guid);
  const actions = element("p", { className: "actions" });
  actions.append(save, cancel);
  if (device.label) {
    const clear = actionButton("clear", "Remove the name", null, guid);
    clear.addEventListener("click", () => act(() => saveLabel(guid, null)));
    actions.append(clear);
  }

  const form = element("form", { className: "rename stack", method: "post", noValidate: true });
  form.append(field, actions);
  const close = () => {
    form.remove();
    opener.closest("p").hidden = false;
    opener.focus();
  };
  cancel.addEventListener("click", close);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) close();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = input.value.trim();
    // The server counts characters, not the UTF-16 units that `length` and `maxlength` count.
    const length = [...wanted].length;
    const wrong = length < 1 || length > LABEL_LIMIT;
    input.setAttribute("aria-invalid", String(wrong));
    problem.textContent = wrong ? `A name has 1 to ${LABEL_LIMIT} characters.` : "";
    if (wrong) input.focus();
    else act(() => saveLabel(guid, wanted));
  });

  opener.closest("p").hidden = true;
  item.append(form);
  input.focus();
  input.select();
}

async function saveLabel(guid, wanted) {
  const renamed = await client.rename(guid, wanted);
  await refresh();
  say(renamed.label ? `The device is now called ${renamed.label}.` : "The name is removed.");
  (byId(`rename-${guid}`) ?? byId("devices-heading")).focus();
}

/** A button whose whole name says which device it means; two alike differ in their last activity. */
function actionButton(action, verb, name, guid) {
  const button = element("button", { id: `${action}-${guid}`, type: "button", textContent: verb });
  button.dataset.action = action;
  if (name !== null) {
    const rest = element("span", { className: "visually-hidden" });
    rest.append(" ", element("bdi", { textContent: name }));
    button.append(rest);
    button.setAttribute("aria-describedby", `seen-${guid}`);
  }
  return button;
}

function timeElement(instant, style) {
  const time = element("time", { dateTime: instant });
  if (style === "relative") time.dataset.relative = "";
  tellTime(time);
  return time;
}

function tellTime(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) {
    time.textContent = "at an unknown time";
    return;
  }
  const exact = EXACT.format(at);
  time.title = exact;
  time.textContent = "relative" in time.dataset ? ago(at) : exact;
}

/** A clock that is behind the server's would make it the future; nobody was active there. */
function ago(at) {
  const seconds = Math.max(0, (Date.now() - at.getTime()) / 1000);
  const unit = UNITS.find(([, length]) => seconds >= length);
  return unit ? RELATIVE.format(-Math.floor(seconds / unit[1]), unit[0]) : "just now";
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
