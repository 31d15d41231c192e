// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel
internal import MeshSystem

/// The Talos machines of one stand-in cluster: what each runs and whether etcd was begun. Kept in `world/CLUSTER/talos.json`, beside the
/// objects, as machines outlive the restart of an API server.
struct StandInMachines: Sendable {
    struct Machine: Hashable, Sendable, Codable {
        var version: String
        var schematic: String
        /// Until then it is on its way to another image, and silent.
        var rebootsUntil: Timestamp?
        var bootstrapped = false
    }
    static let firstVersion = "1.11.3"
    /// Of `customization: {}`.
    static let plainSchematic = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
    /// Under which the stand-in talosctl finds them; not of Kubernetes.
    static let path = "/stand-in/talos"

    private(set) var machines: [String: Machine]
    private let file: String

    init(directory: String, seed: LabSeed, faults: StandInFaults) throws {
        file = directory + "/talos.json"
        if let bytes = LabFiles.bytes(file) {
            machines = try JSONDecoder().decode([String: Machine].self, from: Data(bytes))
            return
        }
        machines = [:]
        for node in seed.nodes {
            machines[node.name] = Machine(
                version: faults.talosVersion, schematic: Self.plainSchematic, bootstrapped: faults.bootstrapped && node.controlPlane)
        }
        try save()
    }

    /// False when there is an etcd already, as Talos answers.
    mutating func bootstrap(_ name: String) throws -> Bool {
        guard machines[name]?.bootstrapped == false else { return false }
        machines[name]?.bootstrapped = true
        try save()
        return true
    }

    /// Control planes without an etcd join the one that is there.
    mutating func join(_ names: [String]) throws {
        for name in names { machines[name]?.bootstrapped = true }
        try save()
    }

    mutating func install(_ name: String, version: String, schematic: String, rebootsUntil: Timestamp) throws {
        machines[name]?.version = version
        machines[name]?.schematic = schematic
        machines[name]?.rebootsUntil = rebootsUntil
        try save()
    }

    private func save() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try LabFiles.write(String(decoding: try encoder.encode(machines), as: UTF8.self) + "\n", to: file + ".new")
        try LabFiles.rename(file + ".new", to: file)
    }
}

extension StandInCluster {
    /// `GET /stand-in/talos`: every machine. `POST /stand-in/talos/NODE/bootstrap` and `/stand-in/talos/NODE/upgrade?image=`.
    func machines(_ question: StandInQuestion, _ faults: StandInFaults) throws -> StandInAnswer {
        let words = question.path.dropFirst(StandInMachines.path.count).split(separator: "/").map(String.init)
        switch (question.method, words.count, words.last) {
        case ("GET", 0, _): return StandInAnswer(status: 200, json: .list(seed.nodes.map { machine($0, faults) }))
        case ("POST", 2, "bootstrap"?):
            let controlPlanes = seed.nodes.filter(\.controlPlane).map(\.name)
            guard try talos.bootstrap(words[0]) else { return StandInAnswer(status: 409, json: ["kind": "Status"]) }
            try talos.join(controlPlanes)
            return StandInAnswer(status: 200, json: ["kind": "Status"])
        case ("POST", 2, "upgrade"?):
            guard let image = StandInImage(question.query["image"] ?? "") else { throw StandInRefusal.bad("there is no such image") }
            let away = faults.upgradeFate == "silent" ? 3_600_000 : Int64(faults.readyAfter)
            if faults.upgradeFate != "stays", faults.upgradeFate != "fails" {
                try talos.install(
                    words[0], version: image.version, schematic: image.schematic ?? talos.machines[words[0]]?.schematic ?? "",
                    rebootsUntil: SystemClock.now().wall + .milliseconds(away))
            }
            return StandInAnswer(status: 200, json: ["kind": "Status"])
        default: throw StandInRefusal.notAllowed(question.method)
        }
    }

    private func machine(_ node: LabSeed.Node, _ faults: StandInFaults) -> HelmValue {
        guard let machine = talos.machines[node.name] else { return .null }
        let conditions = store[StandInPath.nodes.named(node.name)]?["status", "conditions"]?.elements ?? []
        let isReady = conditions.contains { $0["type"]?.text == "Ready" && $0["status"]?.text == "True" }
        let reboots = machine.rebootsUntil.map { SystemClock.now().wall < $0 } ?? false
        return [
            "name": .string(node.name), "address": .string(node.address), "controlPlane": .bool(node.controlPlane),
            "version": .string(machine.version), "schematic": .string(machine.schematic), "bootstrapped": .bool(machine.bootstrapped),
            "ready": .bool(isReady), "silent": .bool(reboots || faults.silentMachines.contains(node.name)),
            "proxy": .bool(faults.kubeProxy),
        ]
    }
}

/// `factory.talos.dev/metal-installer/SCHEMATIC:v1.11.3`, or another repository without a schematic.
struct StandInImage {
    let version: String
    let schematic: String?

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), text[text.index(after: colon)...].hasPrefix("v"),
            let version = SemanticVersion(String(text[text.index(after: colon)...])), let last = text[..<colon].split(separator: "/").last
        else { return nil }
        self.version = version.description
        schematic = text.hasPrefix("factory.talos.dev/") ? String(last) : nil
    }
}
