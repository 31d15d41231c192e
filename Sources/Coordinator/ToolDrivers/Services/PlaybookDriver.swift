// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust
import Running
import Synchronization

/// Playbooks of the admin's own. The kubeconfig that they get has one context and no other (D49). What is printed comes from a callback of
/// ours: one JSON line for each result, without arguments, and without results that are marked `no_log` (D30).
struct PlaybookDriver: Sendable {
    let tools: Toolbox
    let spec: MeshSpec

    func play(
        _ service: MeshSpec.Service, _ path: String, on cluster: MeshSpec.Cluster, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        let report = try await run(service, path, on: cluster, step: step, deadline: deadline, isRehearsal: false)
        guard case .succeeded = report.outcome else { return report.outcome }
        try await ServiceMark(
            service: service.name, source: path, content: try Self.content(service, path, tools: tools), objects: []
        ).write(tools.client(for: cluster))
        return report.outcome
    }

    /// What the playbook would change, by its own `--check`: tasks that cannot tell are skipped by Ansible.
    func rehearse(
        _ service: MeshSpec.Service, _ path: String, on cluster: MeshSpec.Cluster, deadline: Duration
    ) async throws -> PlaybookReport {
        try await run(service, path, on: cluster, step: nil, deadline: deadline, isRehearsal: true)
    }

    private func run(
        _ service: MeshSpec.Service, _ path: String, on cluster: MeshSpec.Cluster, step: StepID?, deadline: Duration, isRehearsal: Bool
    ) async throws -> PlaybookReport {
        let playbook = tools.absolute(path)
        let values = ServiceValues(service: service, tools: tools)
        let home = "\(tools.workDirectory)/ansible-\(cluster.name)-\(service.name)"
        let files = try PlaybookFiles(directory: home, tools: tools)
        let kubeconfig = try files.kubeconfig(for: cluster) ?? tools.kubeconfig
        var variables = try values.complete()
        variables["kubeconfig"] = .string(kubeconfig)
        variables["kube_context"] = .string(cluster.context)
        variables["cluster_name"] = .string(cluster.name.text)
        variables["mesh_name"] = .string(spec.name)
        let arguments =
            ["--inventory", try files.inventory(), "--extra-vars", "@" + (try files.variables(variables))]
            + (isRehearsal ? ["--check"] : []) + [playbook]
        let report = Mutex(PlaybookReport(hiding: try values.secrets()))
        let progress = tools.progress
        let invocation = Invocation(
            service.virtualEnvironment.map { tools.absolute($0) + "/bin/ansible-playbook" } ?? "ansible-playbook", arguments,
            searchPath: tools.searchPath, environment: environment(kubeconfig, cluster, home: home, files),
            workingDirectory: playbook.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"),
            deadline: deadline)
        do {
            let result = try await tools.runner.run(invocation) { line in
                if let words = report.withLock({ $0.take(line) }), let step { progress(step, words) }
            }
            try files.remove()
            return report.withLock { report in
                report.end(result)
                return report
            }
        } catch {
            try files.remove()
            throw error
        }
    }

    /// Each of these overrides what an `ansible.cfg` says: a log file, echoed arguments, other callbacks that write where they like.
    private func environment(_ kubeconfig: String, _ cluster: MeshSpec.Cluster, home: String, _ files: PlaybookFiles) -> [String: String] {
        var environment = tools.environment
        environment["PATH"] = tools.searchPath.joined(separator: ":")
        environment["KUBECONFIG"] = kubeconfig
        environment["K8S_AUTH_KUBECONFIG"] = kubeconfig
        environment["K8S_AUTH_CONTEXT"] = cluster.context
        environment["ANSIBLE_HOME"] = home
        environment["ANSIBLE_LOCAL_TEMP"] = home
        environment["ANSIBLE_CALLBACK_PLUGINS"] = home
        environment["ANSIBLE_STDOUT_CALLBACK"] = PlaybookCallback.name
        // A list with something in it: of an empty text newer versions make the name of a callback, and end.
        environment["ANSIBLE_CALLBACKS_ENABLED"] = PlaybookCallback.name
        environment["ANSIBLE_DISPLAY_ARGS_TO_STDOUT"] = "0"
        environment["ANSIBLE_LOG_PATH"] = "/dev/null"
        environment["ANSIBLE_VERBOSITY"] = "0"
        environment["ANSIBLE_DEBUG"] = "0"
        environment["ANSIBLE_NOCOLOR"] = "1"
        environment["ANSIBLE_RETRY_FILES_ENABLED"] = "0"
        // Ansible refuses to start under any other encoding.
        environment["LC_ALL"] = "C.UTF-8"
        return environment
    }

    /// The playbook and its plain variables; roles and files that it reads are not covered.
    static func content(_ service: MeshSpec.Service, _ path: String, tools: Toolbox) throws -> String {
        guard let bytes = try tools.files.read(tools.absolute(path), limit: 16 << 20) else {
            throw ServiceError.noFile(tools.absolute(path))
        }
        return Digest.sha256(bytes + (try JSON.encode(.map(service.values ?? [:])))).hex
    }
}

/// The files of one call of Ansible, each 0600 in a directory of its own, and gone after it.
struct PlaybookFiles: Sendable {
    let directory: String
    private let tools: Toolbox
    private static let names = ["inventory.json", "variables.json", "kubeconfig", PlaybookCallback.name + ".py"]

    init(directory: String, tools: Toolbox) throws {
        self.directory = directory
        self.tools = tools
        try tools.files.createDirectory(directory)
        try tools.files.write(Array(PlaybookCallback.source.utf8), to: "\(directory)/\(PlaybookCallback.name).py")
    }

    /// The coordinator's own machine: everything goes through the API server.
    func inventory() throws -> String {
        try write(
            .map(["all": .map(["hosts": .map(["localhost": .map(["ansible_connection": .string("local")])])])]), "inventory.json")
    }

    func variables(_ variables: [String: HelmValue]) throws -> String { try write(.map(variables), "variables.json") }

    /// A kubeconfig with the one context, which is also its current one. `nil` where a plugin gives the credentials: then the admin's own
    /// kubeconfig has to do, and the context is in the variables.
    func kubeconfig(for cluster: MeshSpec.Cluster) throws -> String? {
        guard let access = try tools.contexts()[cluster.context]?.get() else { return nil }
        var user: [String: HelmValue] = [:]
        switch access.credential.token {
        case .literal(let token): user["token"] = .string(token)
        case .file(let path): user["tokenFile"] = .string(path)
        case nil: break
        }
        if let identity = access.credential.certificate {
            user["client-certificate-data"] = .string(JSON.base64(identity.certificate))
            user["client-key-data"] = .string(JSON.base64(identity.key))
        }
        guard access.credential.plugin == nil || !user.isEmpty else { return nil }
        var server: [String: HelmValue] = ["server": .string(access.server)]
        if let name = access.serverName { server["tls-server-name"] = .string(name) }
        if let authority = access.authority { server["certificate-authority-data"] = .string(JSON.base64(authority)) }
        let context: [String: HelmValue] = ["cluster": .string("pinned"), "user": .string("pinned")]
        return try write(
            .map([
                "apiVersion": .string("v1"), "kind": .string("Config"), "current-context": .string(cluster.context),
                "clusters": .list([.map(["name": .string("pinned"), "cluster": .map(server)])]),
                "users": .list([.map(["name": .string("pinned"), "user": .map(user)])]),
                "contexts": .list([.map(["name": .string(cluster.context), "context": .map(context)])]),
            ]), "kubeconfig")
    }

    func remove() throws {
        for name in Self.names { try tools.files.remove("\(directory)/\(name)") }
    }

    private func write(_ value: HelmValue, _ name: String) throws -> String {
        let path = "\(directory)/\(name)"
        try tools.files.write(JSON.encode(value), to: path)
        return path
    }
}

/// Our callback plugin. Ansible's own `json` callback is in a collection that ansible-core does not bring, prints only at the end, and prints
/// the arguments of every module.
enum PlaybookCallback {
    static let name = "meshgate_results"

    static let source = #"""
        # SPDX-License-Identifier: Apache-2.0
        from __future__ import annotations

        import json
        import sys

        from ansible.plugins.callback import CallbackBase

        DOCUMENTATION = """
          name: meshgate_results
          type: stdout
          short_description: one JSON line for each result
          description: One JSON line for each result, without arguments, and without anything of results that are hidden.
        """


        class CallbackModule(CallbackBase):
            CALLBACK_VERSION = 2.0
            CALLBACK_TYPE = "stdout"
            CALLBACK_NAME = "meshgate_results"

            def _line(self, **fields):
                sys.stdout.write(json.dumps(fields) + "\n")
                sys.stdout.flush()

            def _say(self, status, result):
                task, host = result._task, result._host
                outcome = result._result
                hidden = bool(task.no_log) or bool(outcome.get("_ansible_no_log"))
                message = "" if hidden or status in ("ok", "skipped") else str(outcome.get("msg", ""))[:400]
                self._line(
                    event="result", host=host.get_name(), task=task.get_name(), status=status,
                    changed=bool(outcome.get("changed")), ignored=bool(task.ignore_errors), message=message)

            def v2_runner_on_ok(self, result):
                self._say("ok", result)

            def v2_runner_on_failed(self, result, ignore_errors=False):
                self._say("failed", result)

            def v2_runner_on_unreachable(self, result):
                self._say("unreachable", result)

            def v2_runner_on_skipped(self, result):
                self._say("skipped", result)

            def v2_playbook_on_stats(self, stats):
                hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
                self._line(event="stats", hosts=hosts)
        """#
}
