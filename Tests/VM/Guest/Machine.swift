// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import Glibc
import MeshModel
import MeshSystem
import MeshTrust

/// What stops a scenario before its end.
struct Stuck: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// This virtual machine as the wiper sees it: real /dev, /sys and /proc, with keys, signers and the replay store on the disk `vda`, which
/// stays from one boot to the next.
struct Machine {
    static let state = "/state"
    let boot: BootID
    let store: ReplayStore
    let configuration: WiperConfiguration

    init() throws {
        guard let node = NodeID("wrk-e-1") else { throw Stuck("the node's name is malformed") }
        boot = try SystemClock.bootID()
        configuration = WiperConfiguration(
            node: node, nodeKeyPath: "\(Self.state)/node-key", signersPath: "\(Self.state)/allowed_signers",
            storeDirectory: "\(Self.state)/store", socketPath: "/run/wiper.sock", allowedUsers: [0])
        try LinuxFileStore().write(Array((Self.nodeKey.hex + "\n").utf8), to: configuration.nodeKeyPath)
        try ReplayStore.arm(directory: configuration.storeDirectory)
        store = try ReplayStore(directory: configuration.storeDirectory)
    }

    private static let nodeKey = Digest.sha256(Array("the agent's key".utf8))

    // Disks

    /// The disk with this serial, once the kernel has it: some buses are probed in the background.
    func disk(_ serial: String) throws -> DiskFact { try disk("with serial \(serial)") { $0.identity.serial == serial } }

    func disk(named name: String) throws -> DiskFact { try disk("named \(name)") { $0.name == name } }

    private func disk(_ wanted: String, where isIt: (DiskFact) -> Bool) throws -> DiskFact {
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let disks = try configuration.inventory.disks()
            if let found = disks.first(where: isIt) { return found }
            guard ContinuousClock.now < deadline else { throw Stuck("there is no disk \(wanted), only \(disks.map(\.name))") }
            poll(nil, 0, 100)
        }
    }

    /// Whether the disk is gone from the inventory, now or soon.
    func loses(_ name: String) throws -> Bool {
        let deadline = ContinuousClock.now + Self.patience
        while try configuration.inventory.disks().contains(where: { $0.name == name }) {
            guard ContinuousClock.now < deadline else { return false }
            poll(nil, 0, 100)
        }
        return true
    }

    private static let patience = Duration.seconds(20)

    // Warrants

    /// The only place that writes warrants.
    func terms(_ disk: DiskFact, _ method: WarrantTerms.Method) throws -> WarrantTerms {
        guard let id = WarrantID(try KernelEntropy().hexID()) else { throw Stuck("a random id is malformed") }
        let now = Timestamp(seconds: SystemClock.now().wall.seconds)
        guard let mark = store.mark else { throw Stuck("the replay store is disarmed") }
        return WarrantTerms(
            mesh: "lab", id: id, plan: .sha256(Array("plan".utf8)), step: StepID("talos-east", "wipe-vdb"), node: configuration.node,
            nodeKey: Self.nodeKey, boot: boot, store: mark, disk: disk.identity, holds: WarrantTerms.holds(disk.signatures),
            fingerprint: disk.fingerprint ?? .zero, method: method, notBefore: now + .seconds(-60), notAfter: now + .seconds(1800))
    }

    func sign(_ terms: WarrantTerms) async throws -> WarrantEnvelope {
        let signature = try await tool(
            "ssh-keygen", "-Y", "sign", "-q", "-f", "\(Self.state)/admin", "-n", WarrantTerms.namespace, input: Array(terms.text.utf8))
        return WarrantEnvelope(text: terms.text, signatures: [signature])
    }

    func wipe(_ envelope: WarrantEnvelope, progress: @escaping Wiper.Progress = { _, _, _ in }) -> TaskReport.Result {
        Wiper(configuration: configuration, store: store, boot: boot).wipe(envelope, progress: progress)
    }

    // Tools

    /// Runs a tool to its end and gives what it printed.
    @discardableResult
    func tool(_ name: String, _ arguments: String..., input: [UInt8] = []) async throws -> String {
        try await tool(name, arguments, input: input)
    }

    @discardableResult
    func tool(_ name: String, _ arguments: [String], input: [UInt8] = []) async throws -> String {
        let result = try await attempt(name, arguments, input: input)
        guard result.succeeded else {
            throw Stuck("\(name) \(arguments.joined(separator: " ")): \(result.exit) \(result.errorText) \(result.outputText)")
        }
        return result.outputText
    }

    /// Runs a tool that may fail.
    func attempt(_ name: String, _ arguments: String...) async throws -> CommandResult { try await attempt(name, arguments, input: []) }

    private func attempt(_ name: String, _ arguments: [String], input: [UInt8]) async throws -> CommandResult {
        // There is no udev here: whoever waits for it would wait forever.
        let environment = [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DM_DISABLE_UDEV": "1", "MDADM_NO_UDEV": "1",
            "LVM_SUPPRESS_FD_WARNINGS": "1",
        ]
        return try await ProcessCommandRunner().run(
            Invocation(name, arguments, environment: environment, standardInput: input, deadline: .seconds(60)))
    }
}
