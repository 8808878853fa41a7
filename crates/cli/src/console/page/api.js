// What the page asks of the console. Every failure is an Error whose message is a sentence.

export const goneSentence = "The console does not answer. Start it again with `tandem console`.";
export const tokenSentence = "The console does not know this page: it was started again. Open the link that `tandem console` printed.";

async function answerOf(response) {
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const failure = new Error(answer.error ?? (response.status === 401 ? tokenSentence : `The console answered ${response.status}.`));
  failure.status = response.status;
  throw failure;
}

export async function post(path, body) {
  const request = { method: "POST", credentials: "same-origin" };
  if (body !== undefined) Object.assign(request, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Error(goneSentence);
  }
  return answerOf(response);
}

/** Whether the console answers but does not know this page's cookie. */
export async function isStranger() {
  try {
    return (await fetch("/style.css", { cache: "no-store" })).status === 401;
  } catch {
    return false;
  }
}

export const outputOf = (id) => `/api/batches/${encodeURIComponent(id)}/output`;
export const rejectsOf = (id) => `/api/batches/${encodeURIComponent(id)}/rejects`;

/** Sends a file; `progress(sent, total)` is told how far it is. Gives the promise and a way to give up. */
export function upload(file, dataset, progress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    const fail = (sentence) => () => reject(new Error(sentence));
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.lengthComputable ? event.total : file.size));
    request.addEventListener("abort", fail("Cancelled."));
    request.addEventListener("error", fail("Not sent: the file could not be read (is it a folder?), or the console does not answer."));
    request.addEventListener("load", () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // An answer that is no JSON is told by its status.
      }
      if (request.status >= 200 && request.status < 300) resolve(answer);
      else reject(new Error(answer.error ?? (request.status === 401 ? tokenSentence : `The console answered ${request.status}.`)));
    });
    request.open("PUT", `/api/uploads?name=${encodeURIComponent(file.name)}&dataset=${encodeURIComponent(dataset)}`);
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}
