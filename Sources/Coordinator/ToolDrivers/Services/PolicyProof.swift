// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// Proves that policies hold across clusters: requests by `kubectl exec` that must be let through, dropped, or refused, and for each of them
/// Hubble's own word about the very flow, which is what tells a policy from a broken network.
struct PolicyProof: Sendable {
    let tools: Toolbox

    /// Calls of kubectl at once.
    private static let atOnce = 8
    /// Between two rounds: identities and endpoints of the other side arrive within seconds, flows are listed a moment after they happen.
    private static let pause = Duration.seconds(1)

    /// Requests from every cluster in rounds, until each had its right fate or the time is over. The outcome tells that they were made;
    /// whether the policies hold is in the reports.
    func run(among clusters: [MeshSpec.Cluster], plan: Digest, step: StepID, deadline: Duration) async throws -> Outcome {
        guard clusters.count > 1 else { return .refused("one cluster alone proves nothing about policies across clusters") }
        for cluster in clusters { try PolicyReport(tools: tools, cluster: cluster.name).forget() }
        // Room for the last round's own patience.
        let end = tools.now().boot + max(1_000, deadline.inMilliseconds - 60_000)
        let all = clusters.flatMap { cluster in PolicyExpectation.allCases.map { PolicyRequest(expectation: $0, from: cluster) } }
        var open = all
        var problems: [PolicyRequest: String] = [:]
        while true {
            let answers = try await each(open) { try await ask($0) }
            let flows = try await each(clusters) { try await self.flows(of: $0) }
            problems = Dictionary(
                uniqueKeysWithValues: zip(open, answers).compactMap { request, answer in
                    (answer ?? unseen(request, flows)).map { (request, $0) }
                })
            open = open.filter { problems[$0] != nil }
            tools.progress(step, "\(all.count - open.count) of \(all.count) requests had the fate that the policies want")
            guard !open.isEmpty, tools.now().boot < end else { break }
            try await ContinuousClock().sleep(for: Self.pause)
        }
        for cluster in clusters {
            let own = open.filter { $0.from.name == cluster.name }
            try PolicyReport(tools: tools, cluster: cluster.name)
                .write(plan: plan, problems: own.map { "\($0.expectation.words): \(problems[$0] ?? "not proven")" })
        }
        return .succeeded(
            open.isEmpty ? "\(all.count) requests made, each seen in Hubble" : "the requests were made; \(open.count) were not as wanted")
    }

    /// `nil` when the answer is the right one.
    private func ask(_ request: PolicyRequest) async throws -> String? {
        let expectation = request.expectation
        let command = [
            "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "5", "--request", expectation.method,
            "http://\(StarWars.host)\(expectation.path)",
        ]
        let asked = try await exec("deployment/" + expectation.ship, StarWars.namespace, command, on: request.from)
        let code = asked.outputText.filter { !$0.isWhitespace }
        // No code at all is kubectl's failure and not the network's: it proves nothing.
        guard code.count == 3, code.allSatisfy(\.isNumber) else { return "the request could not be made: \(asked.lastWords)" }
        return code == expectation.code ? nil : "it was answered with \(code), and \(expectation.code) was to be"
    }

    /// What a cluster's Hubble shows of the namespace, or why it cannot be asked. The relay is dialled by its address: an agent lives on
    /// its host's network and resolves no names of the cluster.
    private func flows(of cluster: MeshSpec.Cluster) async throws -> Result<[HubbleFlow], Silence> {
        let path = "/api/v1/namespaces/kube-system/services/hubble-relay"
        guard let spec = try await tools.client(for: cluster).get(path)?["spec"], let address = spec["clusterIP"]?.string else {
            return .failure(Silence(words: "\(cluster.name) has no hubble-relay"))
        }
        let port = spec["ports"]?.list.first?["port"]?.integer ?? 80
        let host = address.contains(":") ? "[\(address)]" : address
        let asked = try await exec(
            "daemonset/cilium", "kube-system",
            [
                "hubble", "observe", "--server", "\(host):\(port)", "--namespace", StarWars.namespace, "--since", "2m", "--last", "500",
                "--output", "jsonpb",
            ], on: cluster)
        return asked.succeeded
            ? .success(HubbleFlow.list(asked.standardOutput))
            : .failure(Silence(words: "Hubble of \(cluster.name) cannot be asked: \(asked.lastWords)"))
    }

    private struct Silence: Error { let words: String }

    /// `nil` when one of the clusters saw the request arrive from another one, with its right fate.
    private func unseen(_ request: PolicyRequest, _ flows: [Result<[HubbleFlow], Silence>]) -> String? {
        var shown = 0
        var silent: [String] = []
        for result in flows {
            switch result {
            case .success(let list):
                if list.contains(where: { request.expectation.isSeen(in: $0, from: request.from.name) }) { return nil }
                shown += list.count
            case .failure(let silence): silent.append(silence.words)
            }
        }
        return (["no such flow into another cluster is among the \(shown) that Hubble shows"] + silent).joined(separator: "; ")
    }

    /// An argv array, never a shell.
    private func exec(
        _ target: String, _ namespace: String, _ command: [String], on cluster: MeshSpec.Cluster
    ) async throws -> CommandResult {
        try await tools.run(
            "kubectl", tools.kubectl(cluster) + ["exec", "--namespace", namespace, target, "--"] + command, deadline: .seconds(30))
    }

    /// In the order of `items`, a few at a time.
    private func each<Item: Sendable, Value: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable (Item) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: (Int, Value).self) { group in
            var values = [Value?](repeating: nil, count: items.count)
            for (index, item) in items.enumerated() {
                if index >= Self.atOnce, let (done, value) = try await group.next() { values[done] = value }
                group.addTask { (index, try await body(item)) }
            }
            for try await (done, value) in group { values[done] = value }
            return values.compactMap(\.self)
        }
    }
}

/// One request and where it is made.
struct PolicyRequest: Hashable, Sendable {
    var expectation: PolicyExpectation
    var from: MeshSpec.Cluster
}

/// What is to become of a request.
enum PolicyExpectation: String, Hashable, Sendable, CaseIterable {
    case landing, intruder, exhaustPort

    var ship: String { self == .intruder ? "xwing" : "tiefighter" }
    var method: String { self == .exhaustPort ? "PUT" : "POST" }
    var path: String { self == .exhaustPort ? StarWars.exhaustPort : StarWars.landing }
    /// What curl prints: 000 when nothing came back.
    var code: String {
        switch self {
        case .landing: "200"
        case .intruder: "000"
        case .exhaustPort: "403"
        }
    }
    var words: String {
        switch self {
        case .landing: "a ship of the empire may land"
        case .intruder: "a ship of the alliance is dropped (L3/L4)"
        case .exhaustPort: "nobody may PUT to the exhaust port (L7)"
        }
    }

    /// Whether a flow that Hubble shows is this request with its right fate, in another cluster than it came from.
    func isSeen(in flow: HubbleFlow, from cluster: ClusterName) -> Bool {
        guard flow.sourcePod.hasPrefix(ship + "-"), flow.sourceNamespace == StarWars.namespace, flow.sourceCluster == cluster.text,
            flow.destinationPod.hasPrefix("deathstar-"), !flow.destinationCluster.isEmpty, flow.destinationCluster != cluster.text
        else { return false }
        switch self {
        case .landing: return flow.verdict == "FORWARDED"
        case .intruder: return flow.verdict == "DROPPED" && ["POLICY_DENIED", "POLICY_DENY"].contains(flow.dropReason)
        case .exhaustPort: return flow.verdict == "DROPPED" && flow.method == "PUT"
        }
    }
}

/// One line of `hubble observe --output jsonpb`, as far as it matters here. What is missing is empty.
struct HubbleFlow: Hashable, Sendable {
    var verdict: String
    var dropReason: String
    var sourceCluster: String
    var sourceNamespace: String
    var sourcePod: String
    var destinationCluster: String
    var destinationPod: String
    var method: String

    init?(_ json: HelmValue) {
        guard let flow = json["flow"], let verdict = flow["verdict"]?.string else { return nil }
        func text(_ path: String...) -> String { path.reduce(Optional(flow)) { $0?[$1] }?.string ?? "" }
        self.verdict = verdict
        dropReason = text("drop_reason_desc")
        sourceCluster = text("source", "cluster_name")
        sourceNamespace = text("source", "namespace")
        sourcePod = text("source", "pod_name")
        destinationCluster = text("destination", "cluster_name")
        destinationPod = text("destination", "pod_name")
        method = text("l7", "http", "method")
    }

    /// Lines that are no flows (lost events, node states, chatter) are passed over.
    static func list(_ output: [UInt8]) -> [HubbleFlow] {
        output.split(separator: UInt8(ascii: "\n")).compactMap { JSON.decode(Array($0)).flatMap { HubbleFlow($0) } }
    }
}

/// What the last proof from one cluster found, and for which plan it ran. A proof of another plan proves nothing about this one.
struct PolicyReport: Sendable {
    let tools: Toolbox
    let cluster: ClusterName

    private var path: String { tools.workDirectory + "/policies-\(cluster).json" }

    func forget() throws { try tools.files.remove(path) }

    func write(plan: Digest, problems: [String]) throws {
        let report: HelmValue = .map(["plan": .string(plan.hex), "problems": .list(problems.map { .string($0) })])
        try tools.files.write(JSON.encode(report), to: path)
    }

    /// `nil` when none is there for this plan.
    func problems(plan: Digest) throws -> [String]? {
        guard let bytes = try tools.files.read(path, limit: 1 << 20), let json = JSON.decode(bytes), json["plan"]?.string == plan.hex else {
            return nil
        }
        return json["problems"]?.list.compactMap(\.string)
    }
}
