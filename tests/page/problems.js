/** What happens on a page that must not, as the browser's debugger tells. */

/** Watches a tab with the page of a server. */
export class Watch {
  #streams = new Set();

  /** What must not happen: errors, warnings, violations of the policy, requests to elsewhere. */
  problems = [];

  constructor(tab, url) {
    tab.on("Log.entryAdded", ({ entry: { level, source, text, url } }) => {
      if (level === "error" || level === "warning") this.problems.push(`${source} ${level}: ${text} ${url ?? ""}`);
    });
    tab.on("Runtime.consoleAPICalled", ({ type, args }) => {
      if (!["error", "warning", "assert"].includes(type)) return;
      this.problems.push(`console.${type}: ${args.map(({ value, description }) => value ?? description)}`);
    });
    tab.on("Runtime.exceptionThrown", ({ exceptionDetails: { text, exception } }) => {
      this.problems.push(`${text} ${exception?.description ?? ""}`);
    });
    tab.on("Audits.issueAdded", ({ issue: { code, details } }) => {
      if (code !== "ContentSecurityPolicyIssue") return;
      this.problems.push(`${code}: ${JSON.stringify(details.contentSecurityPolicyIssueDetails)}`);
    });
    tab.on("Network.requestWillBeSent", ({ requestId, type, request }) => {
      if (type === "EventSource") this.#streams.add(requestId);
      if (!request.url.startsWith(`${url}/`) && !/^(data|blob|about):/.test(request.url)) {
        this.problems.push(`request to elsewhere: ${request.url}`);
      }
    });
    for (const end of ["Network.loadingFinished", "Network.loadingFailed"]) {
      tab.on(end, ({ requestId }) => this.#streams.delete(requestId));
    }
  }

  /** Returns the number of streams of events that are open. */
  get streams() {
    return this.#streams.size;
  }
}
