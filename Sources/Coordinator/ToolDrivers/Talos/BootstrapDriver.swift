// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import Running

/// Begins etcd on one control plane of a Talos cluster, once. Two control planes that were both bootstrapped are two clusters under one
/// name, and nothing mends that but a reset; Talos itself only guards the one machine it is asked of.
///
///     every control plane seen ──> members somewhere ─────────────────────────> done, nothing is sent
///                │                 all wait, nothing has data ──> record ──> send to the recorded one ──> the world is looked at
///                └── one is silent, or has data ──> refused
///
/// The record names the machine before the order leaves and is never rewritten: an order whose answer was lost may only ever be given to the
/// same machine again, which refuses it when the first one had an effect, and only after every control plane was seen to wait once more.
struct BootstrapDriver: Sendable {
    let tools: Toolbox
    let cluster: MeshSpec.Cluster
    /// Between two tries, where Talos says that it takes no bootstrap yet.
    var pause = Duration.seconds(5)

    /// Which machine was chosen, and when.
    struct Record: Codable, Hashable {
        var node: NodeID
        var address: String
        var sentAt: Timestamp
    }

    enum Decision: Hashable {
        case done(String)
        case send(NodeID)
        case refuse(String)
    }

    private var controlPlanes: [MeshSpec.Node] { cluster.nodes.filter { $0.role == .controlPlane } }
    private var recordPath: String { tools.workDirectory + "/bootstrap/\(cluster.name).json" }

    func carryOut(step: StepID, deadline: Duration) async throws -> Outcome {
        let seen = await TalosObserver(tools: tools, cluster: cluster).etcd(of: controlPlanes)
        switch Self.decide(controlPlanes.map(\.name), seen, try record(), at: recordPath) {
        case .done(let words): return .succeeded(words)
        case .refuse(let why): return .refused(why)
        case .send(let name):
            guard let node = controlPlanes.first(where: { $0.name == name }) else { return .refused("\(name) is no control plane") }
            return try await send(to: node, step: step, deadline: deadline)
        }
    }

    /// What the sight of every control plane allows.
    static func decide(
        _ controlPlanes: [NodeID], _ seen: [NodeID: Result<EtcdFact, TalosSilence>], _ record: Record?, at path: String
    ) -> Decision {
        for name in controlPlanes {
            if case .success(let etcd)? = seen[name], !etcd.members.isEmpty {
                return .done("etcd on \(name) has members already; nothing was sent")
            }
        }
        for name in controlPlanes {
            switch seen[name] {
            case .success(let etcd)?:
                guard etcd.service?.awaitsBootstrap == true else {
                    let service = etcd.service
                    let data = service?.hasData.map { $0 ? "with data" : "without data" } ?? "whose data cannot be seen"
                    return .refuse(
                        "etcd on \(name) does not wait to be bootstrapped: its service is \(service?.state ?? "unknown"), \(data)")
                }
            case .failure(let silence)?: return .refuse("\(name) does not answer, so it may have an etcd already: \(silence)")
            case nil: return .refuse("\(name) was not asked, so it may have an etcd already")
            }
        }
        guard let record else { return controlPlanes.first.map { .send($0) } ?? .refuse("the plan has no control plane") }
        guard controlPlanes.contains(record.node) else {
            return .refuse(
                "a bootstrap was sent to \(record.node) (\(record.address)) at \(record.sentAt), which is no control plane of the plan any more; "
                    + "when no etcd is there for certain, remove \(path)")
        }
        return .send(record.node)
    }

    private func send(to node: MeshSpec.Node, step: StepID, deadline: Duration) async throws -> Outcome {
        let control = Talosctl(tools: tools, cluster: cluster)
        try note(node)
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: deadline)
        while true {
            let result = try await control.run([node], ["bootstrap"], step: step, deadline: .seconds(60))
            if result.succeeded { return .succeeded("etcd is begun on \(node.name)") }
            // Both are said before anything is done (v1alpha1_server.go, Bootstrap).
            let notYet = ["bootstrap is not available yet", "time is not in sync yet"].contains { result.errorText.contains($0) }
            guard notYet else { return .unknown("`talosctl bootstrap` of \(node.name) ended with \(result.exit): \(result.lastWords)") }
            guard clock.now.advanced(by: pause) < end else {
                return .failed("\(node.name) took no bootstrap in \(deadline.briefly): \(result.lastWords)")
            }
            try await clock.sleep(for: pause)
        }
    }

    private func record() throws -> Record? {
        guard let bytes = try tools.files.read(recordPath, limit: 4096) else { return nil }
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)) else {
            throw DriverError.unreadable(what: "the record of an earlier bootstrap", where: recordPath)
        }
        return record
    }

    /// Durable before the order leaves; the first one stays.
    private func note(_ node: MeshSpec.Node) throws {
        if tools.dryRun { return }
        if try record() != nil { return }
        try tools.files.createDirectory(tools.workDirectory + "/bootstrap")
        let record = Record(node: node.name, address: node.address.description, sentAt: tools.now().wall)
        try tools.files.write(Array(try JSONEncoder().encode(record)), to: recordPath)
    }
}
