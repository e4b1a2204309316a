// A heading as it is read: a link by its text, no marks of emphasis or code. The rules are search/unmarked.py's.

const VERBATIM = /\\([\\*_~=`^$])|(?<!`)(?:`([^`]+)`(?!`)|(``+)(?!`)(.+?)(?<!`)\3(?!`))|(\$\$.+?\$\$|\$(?=[^\s$])[^$]*(?<=[^\s\\])\$(?!\d))/g;
const LINK = /(?<!\^)!?\[([^[\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)/g, WIKILINK = /!?\[\[(?:[^[\]|\n]*\|)?([^[\]|\n]*)\]\]/g;
const RUN = /:\/\/[^\s<>\])]+|(\*+|_+|(?<!~)~~(?!~)|(?<!=)==(?!=))/g, MOST_BELOW = 50;
const isWord = (char) => /[\p{L}\p{N}]/u.test(char), isSpace = (char) => /\s/.test(char), isPunctuation = (char) => /[\p{P}\p{S}]/u.test(char);

export function asRead(heading) {
  const held = [], hold = (text) => `\0${held.push(text) - 1}\0`;
  const text = heading.replaceAll("\0", "").replace(VERBATIM, (all, escaped, code, _, longer, formula) =>
    hold(escaped ? ("\\$".includes(escaped) ? all : escaped) : code || longer || formula));
  return withoutEmphasis(text.replace(LINK, "$1").replace(WIKILINK, "$1")).replace(/\0(\d+)\0/g, (_, at) => held[at]);
}

function withoutEmphasis(text) {
  const gone = [], opened = { "*": [], "_": [], "~": [], "=": [] };
  for (const { 1: marks, index } of text.matchAll(RUN)) {
    if (!marks) continue;
    const run = runOf(text, index, index + marks.length), same = opened[marks[0]];
    for (let opener; run.closes && run.start < run.end && (opener = openerOf(text, same, run));) {
      const n = Math.min(opener.end - opener.start, run.end - run.start) > 1 ? 2 : 1;
      gone.push([opener.end - n, opener.end], [run.start, run.start + n]);
      opener.end -= n;
      run.start += n;
      for (const runs of Object.values(opened))
        while (runs.length && (runs.at(-1).start > opener.start || runs.at(-1).start === runs.at(-1).end)) runs.pop();
    }
    if (run.opens && run.start < run.end) same.push(run);
  }
  let kept = "", at = 0;
  for (const [start, end] of gone.sort((one, other) => one[0] - other[0])) {
    kept += text.slice(at, start);
    at = end;
  }
  return kept + text.slice(at);
}

function runOf(text, start, end) {
  const before = [...text.slice(Math.max(0, start - 2), start)].at(-1) ?? " ", after = [...text.slice(end, end + 2)][0] ?? " ";
  let opens = !isSpace(after), closes = !isSpace(before);
  if (/\p{Nd}/u.test(before) && /\p{Nd}/u.test(after)) opens = closes = false;
  else if (text[start] === "_") {
    opens &&= !isWord(before);
    closes &&= !isWord(after);
    if (opens && closes) [opens, closes] = [!isPunctuation(after), !isPunctuation(before)];
  }
  const spaced = isWord(before) && isWord(after) && before.codePointAt(0) < 0x2E80;
  return { start, end, opens, closes, spaced, both: opens && closes, length: end - start };
}

function openerOf(text, runs, closer) {
  return runs.slice(-MOST_BELOW).findLast((run) => {
    const within = text.slice(run.end, closer.start);
    const ofThree = (run.length + closer.length) % 3 === 0 && (run.length % 3 || closer.length % 3);
    return !((run.both || closer.both) && ofThree) && /[^*_~=]/.test(within) && !(run.spaced && isSpace(within));
  });
}
