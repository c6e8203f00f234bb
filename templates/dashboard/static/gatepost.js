// The dashboard's script: keeps a page fresh, asks before something is changed, and calls the API to change it.
//
// Parts of a page that follow the news carry `data-live="<id>"`; `<main data-watch="queue deliveries">` says which news.
// A button that changes something carries
//   data-action="/api/v1/…"  data-body='{"json": …}'  data-title, data-text, data-go: what the dialog says
//   data-foresee             the API is first asked with "dryRun": true, and its answer shown
//   data-reason="required" | "optional"   asks for a reason, sent as "reason"
//   data-picked="<id of a form>"          sends the form's ticked "ids"; the button is off while none is ticked
// Nothing here makes HTML of a text: what the server wrote is taken as it is, what the API says goes in as text.
'use strict';
(() => {
  const one = (id) => document.getElementById(id);
  const main = one('main');
  const REFRESH_PAUSE = 1000, POLL = 10000, RECONNECT = 60000;

  // ---- times ----------------------------------------------------------------------------------------------------
  const span = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
  };
  const phrase = (ago) => {
    if (ago >= 0) return ago < 5 ? 'just now' : `${span(ago)} ago`;
    return ago > -5 ? 'now' : `in ${span(-ago)}`;
  };
  function freshenTimes() {
    for (const time of document.querySelectorAll('time[datetime]')) {
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at)) continue;
      const words = phrase(Math.floor((Date.now() - at) / 1000));
      if (time.textContent !== words) time.textContent = words;
    }
  }

  // ---- live update ----------------------------------------------------------------------------------------------
  // What a part says, but for how long ago something was: that alone is no news.
  function gist(part) {
    const copy = part.cloneNode(true);
    copy.querySelectorAll('time').forEach((time) => { time.textContent = ''; });
    return copy.outerHTML;
  }
  const gists = new Map();
  const parts = (root) => root.querySelectorAll('[data-live]');
  parts(document).forEach((part) => gists.set(part.dataset.live, gist(part)));

  const label = (element) => element.id || ['href', 'name', 'value', 'data-action', 'data-body', 'aria-label', 'class']
    .map((name) => element.getAttribute(name) ?? '').join('\u0000') + element.tagName;
  const isTyped = (element) => element.matches('input:not([type=checkbox]), select, textarea');

  // Puts a fresh part in the place of an old one; focus, ticks, what is unfolded and scrolled stay.
  function swap(old, fresh) {
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    if (focus && isTyped(focus)) return false;
    const ticked = new Set([...old.querySelectorAll('input:checked')].map(label));
    const unfolded = new Set([...old.querySelectorAll('details[open]')].map(label));
    const scrolled = [...old.querySelectorAll('.scroll, pre')].map((box) => [box.scrollLeft, box.scrollTop]);
    old.replaceWith(document.adoptNode(fresh));
    fresh.querySelectorAll('input[type=checkbox]').forEach((box) => { box.checked = ticked.has(label(box)); });
    fresh.querySelectorAll('details').forEach((box) => { box.open ||= unfolded.has(label(box)); });
    fresh.querySelectorAll('.scroll, pre').forEach((box, place) => {
      [box.scrollLeft, box.scrollTop] = scrolled[place] ?? [0, 0];
    });
    if (focus) {
      const same = [...fresh.querySelectorAll('a, button, input, summary, [tabindex]')].find((el) => label(el) === label(focus));
      if (!same) fresh.tabIndex = -1;
      (same ?? fresh).focus({ preventScroll: true });
    }
    return true;
  }

  const names = (root) => [...parts(root)].map((part) => part.dataset.live).join('\n');

  function take(page) {
    if (names(page) !== names(document)) {
      takeWhole(page);
    } else {
      for (const fresh of parts(page)) {
        const id = fresh.dataset.live, said = gist(fresh);
        if (gists.get(id) === said) continue;
        if (swap(document.querySelector(`[data-live="${CSS.escape(id)}"]`), fresh)) gists.set(id, said);
      }
    }
    freshenTimes();
    pickedChanged();
  }

  // Parts came or went, or another page altogether came, such as that of an error or its end.
  function takeWhole(page) {
    const whole = page.getElementById('main');
    if (!whole) { location.reload(); return; }
    const outcome = one('announce').textContent;
    document.title = page.title;
    main.replaceChildren(...document.adoptNode(whole).children);
    one('announce').textContent = outcome;
    gists.clear();
    parts(document).forEach((part) => gists.set(part.dataset.live, gist(part)));
  }

  let isBusy = false, isAsked = false, isConnected = false, lastAt = 0;
  async function refresh() {
    if (isBusy || document.hidden) { isAsked = true; return; }
    isBusy = true;
    isAsked = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (answer.redirected) { location.reload(); return; }
      take(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      say(isConnected ? 'on' : 'off');
    } catch {
      say('lost');
    } finally {
      isBusy = false;
      lastAt = Date.now();
      if (isAsked && !document.hidden) later();
    }
  }
  let waits = 0;
  function later() {
    if (waits) return;
    waits = setTimeout(() => { waits = 0; refresh(); }, Math.max(0, lastAt + REFRESH_PAUSE - Date.now()));
  }

  const SAID = { on: 'live', off: 'every 10 s', lost: 'no answer' };
  function say(how) {
    const live = one('live');
    if (live.textContent !== SAID[how]) live.textContent = SAID[how];
    live.className = `live ${how === 'on' ? 'on' : 'off'}`;
  }

  let stream = null;
  function connect() {
    stream?.close();
    stream = new EventSource('/api/v1/stream');
    stream.addEventListener('open', () => { isConnected = true; say('on'); later(); });
    stream.addEventListener('changed', (event) => {
      const wanted = main.dataset.watch.split(' ');
      let what = wanted;
      try { what = JSON.parse(event.data).what; } catch { /* news that cannot be read are news all the same */ }
      if (what.some((name) => wanted.includes(name))) later();
    });
    stream.addEventListener('error', () => {
      isConnected = false;
      say('off');
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, RECONNECT);
    });
  }
  if (main.dataset.watch && parts(document).length) {
    connect();
    setInterval(() => { if (!isConnected) refresh(); }, POLL);
    document.addEventListener('visibilitychange', () => { if (isAsked && !document.hidden) later(); });
    window.addEventListener('pagehide', () => stream.close());
    window.addEventListener('pageshow', (event) => { if (event.persisted) connect(); });
  } else {
    one('live').hidden = true;
  }
  setInterval(freshenTimes, 1000);
  freshenTimes();

  // ---- changes --------------------------------------------------------------------------------------------------
  const dialog = one('confirm');
  let asked = null;

  const picked = (form) => [...(one(form)?.querySelectorAll('input[name=ids]:checked') ?? [])].map((box) => box.value);
  function pickedChanged() {
    document.querySelectorAll('button[data-picked]').forEach((button) => {
      button.disabled = picked(button.dataset.picked).length === 0;
    });
    document.querySelectorAll('input[data-all]').forEach((all) => {
      const boxes = [...all.closest('form').querySelectorAll('input[name=ids]')];
      all.checked = boxes.length > 0 && boxes.every((box) => box.checked);
    });
  }

  // The answer's JSON; a refusal as an error whose message is for people.
  async function call(url, body) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'X-CSRF-Token': document.querySelector('meta[name=csrf-token]').content,
      },
      body: JSON.stringify(body),
    });
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return said;
    throw new Error(`${said.title ?? 'Refused'}: ${said.detail ?? `the server answered ${answer.status}`}`);
  }

  // What was or would be done, a line each.
  function told(said, verb, isForeseen) {
    const lines = [];
    const many = (list, word) => `${list.length} ${isForeseen ? 'would be' : 'were'} ${word}.`;
    if (said.moved) lines.push(many(said.moved, verb));
    if (said.switched) lines.push(many(said.switched, 'switched'));
    const reasons = new Map();
    for (const { reason } of said.skipped ?? []) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    for (const [reason, count] of reasons) lines.push(`${count} ${isForeseen ? 'would stay as they are' : 'stayed as they are'}: ${reason}.`);
    return lines.length ? lines : ['Done.'];
  }

  async function foresee() {
    const shown = one('confirm-foreseen'), go = one('confirm-go'), mine = asked;
    shown.textContent = 'Looking what this would do …';
    go.disabled = true;
    try {
      const said = await call(mine.url, { ...mine.body, dryRun: true });
      if (asked !== mine) return;
      shown.replaceChildren(...told(said, mine.verb, true).map((line) => Object.assign(document.createElement('p'), { textContent: line })));
      go.disabled = said.moved?.length === 0;
    } catch (error) {
      if (asked !== mine) return;
      shown.textContent = '';
      one('confirm-trouble').textContent = error.message;
    }
  }

  function ask(button) {
    const { action, body, title, text, go, reason, picked: form } = button.dataset;
    asked = { url: action, body: JSON.parse(body || '{}'), verb: button.dataset.verb || 'changed', reason, button };
    if (form) asked.body.ids = picked(form);
    one('confirm-title').textContent = title || button.textContent;
    one('confirm-text').textContent = text || '';
    one('confirm-trouble').textContent = '';
    one('confirm-foreseen').textContent = '';
    one('confirm-why').hidden = !reason;
    one('confirm-reason').value = '';
    one('confirm-reason').required = reason === 'required';
    one('confirm-go').textContent = go || button.textContent;
    one('confirm-go').disabled = false;
    dialog.showModal();
    if (reason) one('confirm-reason').focus();
    if ('foresee' in button.dataset) foresee();
  }

  async function goOn() {
    const go = one('confirm-go'), why = one('confirm-reason'), mine = asked;
    if (mine.reason && !why.reportValidity()) return;
    go.disabled = true;
    try {
      const said = await call(mine.url, mine.reason ? { ...mine.body, reason: why.value } : mine.body);
      dialog.close();
      one('announce').textContent = told(said, mine.verb, false).join(' ');
      refresh();
    } catch (error) {
      one('confirm-trouble').textContent = error.message;
      go.disabled = false;
    }
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-action]');
    if (button && dialog) ask(button);
  });
  document.addEventListener('change', ({ target }) => {
    if (target.matches('input[data-all]')) {
      target.closest('form').querySelectorAll('input[name=ids]').forEach((box) => { box.checked = target.checked; });
    }
    if (target.matches('input[name=ids], input[data-all]')) pickedChanged();
  });
  if (dialog) {
    one('confirm-go').addEventListener('click', goOn);
    dialog.addEventListener('close', () => {
      if (asked) (asked.button.isConnected ? asked.button : main).focus();
      asked = null;
    });
    one('confirm-reason').addEventListener('keydown', (event) => {
      if (event.key === 'Enter') { event.preventDefault(); goOn(); }
    });
  }
  pickedChanged();

  // ---- keyboard -------------------------------------------------------------------------------------------------
  document.addEventListener('keydown', (event) => {
    const search = document.querySelector('input[type=search]');
    const isFree = !event.ctrlKey && !event.metaKey && !event.altKey && !isTyped(event.target);
    if (event.key === '/' && isFree && search && !dialog?.open) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
})();
