// SPDX-License-Identifier: Apache-2.0

internal import MeshHTTP
internal import MeshModel

/// What the stand-in talosctl answers about machines, in the form of the real one: resources as one JSON object after the other, etcd and
/// services as tables, and an error for each machine that is silent.
extension StandInTalosctl {
    /// One machine, as `/stand-in/talos` tells it.
    struct Machine {
        let json: HelmValue
        var name: String { json["name"]?.text ?? "" }
        var address: String { json["address"]?.text ?? "" }
        var isControlPlane: Bool { json["controlPlane"]?.truth ?? false }
        var isBootstrapped: Bool { json["bootstrapped"]?.truth ?? false }
        var isSilent: Bool { json["silent"]?.truth ?? false }
        var member: String { String((encodeHex(Array(name.utf8)) + String(repeating: "0", count: 16)).prefix(16)) }
    }

    /// The machines that `--nodes` names; what is silent becomes the error of the whole call, after the others have answered.
    private func each(_ answer: ([Machine], StandInClient) async throws -> Void) async throws {
        let client = try await clusterClient()
        let all = try await client.machines().map(Machine.init)
        let named = arguments["--nodes"]?.split(separator: ",").map(String.init) ?? []
        let meant = try named.map { name in
            guard let machine = all.first(where: { $0.address == name || $0.name == name }) else {
                throw StandInFailure.plain(Self.unreachable(name))
            }
            return machine
        }
        try await answer(meant.filter { !$0.isSilent }, client)
        let silent = meant.filter(\.isSilent)
        if !silent.isEmpty { throw StandInFailure.plain(silent.map { Self.unreachable($0.address) }.joined(separator: "\n")) }
    }

    private static func unreachable(_ address: String) -> String {
        "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp \(address):50000: "
            + "connect: connection refused\""
    }

    // MARK: resources

    func get(_ kind: String) async throws {
        try await each { machines, _ in
            for machine in machines { for resource in try resources(kind, machine) { try show(resource, machine) } }
        }
    }

    private func show(_ resource: (type: String, id: String, spec: HelmValue), _ machine: Machine) throws {
        call.say(
            try StandInJSON.encode(
                [
                    "metadata": [
                        "namespace": "runtime", "type": .string(resource.type), "id": .string(resource.id), "version": "1",
                        "phase": "running",
                    ], "node": .string(machine.address), "spec": resource.spec,
                ], pretty: true))
    }

    private func resources(_ kind: String, _ machine: Machine) throws -> [(type: String, id: String, spec: HelmValue)] {
        switch kind {
        case "versions":
            return [("Versions.runtime.talos.dev", "version", ["version": .string("v" + (machine.json["version"]?.text ?? ""))])]
        case "extensions":
            return [
                ("ExtensionStatuses.runtime.talos.dev", "0", Self.layer("schematic", machine.json["schematic"]?.text ?? "")),
                ("ExtensionStatuses.runtime.talos.dev", "1", Self.layer("meshgate-agent", "0.1.0")),
                ("ExtensionStatuses.runtime.talos.dev", "modules.dep", Self.layer("modules.dep", "6.12.48-talos")),
            ]
        case "machinestatus":
            let isReady = machine.json["ready"]?.truth ?? false
            let unmet: HelmValue = [
                ["name": "nodeReady", "reason": .string("node \"\(machine.name)\" is not ready")]
            ]
            return [
                (
                    "MachineStatuses.runtime.talos.dev", "machine",
                    ["stage": "running", "status": ["ready": .bool(isReady), "unmetConditions": isReady ? .list([]) : unmet]]
                )
            ]
        case "diagnostics": return []
        case "kubeprismstatuses":
            return [("KubePrismStatuses.kubernetes.talos.dev", "k8s-loadbalancer", ["host": "127.0.0.1:7445", "healthy": true])]
        case "bootstrapmanifestsconfigs":
            guard machine.isControlPlane else { return [] }
            return [
                (
                    "BootstrapManifestsConfigs.kubernetes.talos.dev", "manifests",
                    ["proxyEnabled": machine.json["proxy"] ?? false, "flannelEnabled": false, "coreDNSEnabled": true]
                )
            ]
        default: throw StandInFailure.plain("resource type \"\(kind)\" is not registered")
        }
    }

    private static func layer(_ name: String, _ version: String) -> HelmValue {
        ["image": .string("000.\(name).sqsh"), "metadata": ["name": .string(name), "version": .string(version), "author": "Meshgate Lab"]]
    }

    // MARK: etcd

    func etcd(_ words: [String]) async throws {
        try await each { machines, client in
            let members = try await client.machines().map(Machine.init).filter { $0.isControlPlane && $0.isBootstrapped }
            for machine in machines where !machine.isBootstrapped || !machine.isControlPlane {
                throw StandInFailure.plain(
                    "error getting members: rpc error: code = Unavailable desc = etcd of \(machine.address) is not running")
            }
            switch words {
            case ["members"]:
                table(
                    ["NODE", "ID", "HOSTNAME", "PEER URLS", "CLIENT URLS", "LEARNER"],
                    machines.flatMap { machine in
                        members.map {
                            [machine.address, $0.member, $0.name, "https://\($0.address):2380", "https://\($0.address):2379", "false"]
                        }
                    })
            case ["status"]:
                table(
                    [
                        "NODE", "MEMBER", "DB SIZE", "IN USE", "LEADER", "RAFT INDEX", "RAFT TERM", "RAFT APPLIED INDEX", "LEARNER",
                        "PROTOCOL", "STORAGE", "ERRORS",
                    ],
                    machines.map {
                        [
                            $0.address, $0.member, "4.7 MB", "2.1 MB (44.68%)", members[0].member, "4711", "2", "4711", "false", "3.6.4",
                            "3.6.0", "",
                        ]
                    })
            case ["alarm", "list"]: break
            default: throw StandInFailure.plain("unknown command \"\(words.joined(separator: " "))\" for \"talosctl etcd\"")
            }
        }
    }

    func service() async throws {
        try await each { machines, _ in
            let rows = machines.filter(\.isControlPlane).map { machine in
                machine.isBootstrapped
                    ? [machine.address, "etcd", "Running", "OK", "3m12s ago", "Health check successful"]
                    : [machine.address, "etcd", "Preparing", "?", "5m3s ago", "Running pre state"]
            }
            table(
                ["NODE", "SERVICE", "STATE", "HEALTH", "LAST CHANGE", "LAST EVENT"],
                machines.map { [$0.address, "apid", "Running", "OK", "5m9s ago", "Health check successful"] } + rows)
        }
    }

    func list(_ path: String) async throws {
        try await each { machines, _ in
            guard path == "/var/lib/etcd" else { throw StandInFailure.plain("error reading \(path): no such file or directory") }
            call.say(".")
            if machines.contains(where: \.isBootstrapped) { call.say("member") }
            call.say("NODE   NAME")
        }
    }

    /// Of one node, and refused by a machine that has data, as Talos does it.
    func bootstrap() async throws {
        guard arguments["--nodes"]?.contains(",") == false else {
            throw StandInFailure.plain("command \"bootstrap\" is not supported with multiple nodes")
        }
        try await each { machines, client in
            guard let machine = machines.first else { return }
            guard machine.isControlPlane else {
                throw StandInFailure.plain(
                    "error executing bootstrap: rpc error: code = InvalidArgument desc = bootstrap is not supported on a worker")
            }
            guard try await client.bootstrap(machine.name) else {
                throw StandInFailure.plain(
                    "error executing bootstrap: rpc error: code = AlreadyExists desc = etcd data directory is not empty")
            }
            if try await client.faults().bootstrapAnswerLost {
                throw StandInFailure.plain("error executing bootstrap: rpc error: code = Unavailable desc = error reading from server: EOF")
            }
        }
    }

    /// Of one node or several; each answers on its own, and the call waits until they are back.
    func upgrade() async throws {
        let image = arguments["--image"] ?? ""
        try await each { machines, client in
            for machine in machines {
                guard try await client.upgrade(machine.name, image: image) else {
                    throw StandInFailure.plain("error performing upgrade: rpc error: code = NotFound desc = failed to pull \(image)")
                }
            }
            let fate = try await client.faults().upgradeFate
            if fate == "fails" {
                throw StandInFailure.plain("error performing upgrade: rpc error: code = FailedPrecondition desc = etcd is not well")
            }
            if fate == "silent" { throw StandInFailure.plain("context deadline exceeded") }
            call.warn("watching nodes: \(machines.map(\.address))")
            _ = try await client.wait(.seconds(60)) { try await client.machines().map(Machine.init).allSatisfy { !$0.isSilent } }
        }
    }

    // MARK: text

    /// As Go's tabwriter with a padding of 3: every cell but the last of a line is as wide as its column.
    private func table(_ names: [String], _ rows: [[String]]) {
        let all = [names] + rows
        let widths = names.indices.map { column in (all.map { $0[column].unicodeScalars.count }.max() ?? 0) + 3 }
        for row in all {
            let cells = row.enumerated().map { index, cell in
                index + 1 < row.count ? cell + String(repeating: " ", count: widths[index] - cell.unicodeScalars.count) : cell
            }
            call.say(cells.joined())
        }
    }
}

extension StandInClient {
    fileprivate func machines() async throws -> [HelmValue] { try await standIn(.get, StandInMachines.path).1.elements }

    /// False when there is no such image.
    fileprivate func upgrade(_ name: String, image: String) async throws -> Bool {
        let query = image.replacing("/", with: "%2F").replacing(":", with: "%3A")
        return try await standIn(.post, "\(StandInMachines.path)/\(name)/upgrade?image=\(query)").0 == 200
    }

    /// False when it has an etcd already.
    fileprivate func bootstrap(_ name: String) async throws -> Bool {
        try await standIn(.post, "\(StandInMachines.path)/\(name)/bootstrap").0 == 200
    }
}
