// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshSystem

/// Takes a lab apart: processes first, so that nothing holds a disk or a network; then disks, links, namespaces, files; the ledger last.
struct LabDemolition: Sendable {
    let ledger: LabLedger
    let tools: LabTools

    init(_ ledger: LabLedger, tools: LabTools) {
        self.ledger = ledger
        self.tools = tools
    }

    /// Goes on to the end even when our own task is cancelled: half a lab is worse than a late answer.
    func run() async throws {
        // Awaited right here, so it ends before we do.
        try await Task { try await takeApart() }.value
    }

    private func takeApart() async throws {
        let paths = LabPaths(ledger.directory)
        // Of a directory that others can write to nothing is believed, and nothing in it is touched.
        let isOurs = LabGround(paths.directory).isOurs
        try LabProcesses(paths: paths, marker: ledger.marker, believesNotes: isOurs).endAll(grace: .seconds(5))
        for loop in LabLoop.all(below: paths.disks) { try await loop.detach(with: tools) }
        for name in ledger.links.reversed() { try await removeLink(name) }
        for name in ledger.namespaces { try await removeNamespace(name) }
        if isOurs { try removeFiles(paths) }
        try LabLedger.forget(ledger.prefix)
        if !isOurs { try LabGround(paths.directory).check() }
    }

    /// Only with our mark on it. Explicitly, as the kernel removes the links of a dead namespace some time later.
    private func removeLink(_ name: String) async throws {
        guard let alias = LabFiles.text("/sys/class/net/\(name)/ifalias") else { return }
        // Without any alias it is ours too: the note was written and the link made, and we were killed before the mark.
        guard alias.isEmpty || alias == LabNetworkScript.alias(ledger.labID) else {
            throw LabError.notOurs(what: "the network link \(name)")
        }
        let result = try await tools.attempt("ip", ["link", "delete", "dev", name])
        if !result.succeeded, LabFiles.exists("/sys/class/net/\(name)") {
            throw LabError.tool(command: "ip link delete dev \(name)", exit: result.exit.description, said: LabTools.lastWords(of: result))
        }
    }

    private func removeNamespace(_ name: String) async throws {
        let path = "/run/netns/\(name)"
        guard LabFiles.exists(path) else { return }
        let result = try await tools.attempt("ip", ["netns", "delete", name])
        // A file that never became a namespace is left when we were killed between the two.
        if !result.succeeded, LabFiles.exists(path), unlink(path) != 0 {
            throw LabError.tool(command: "ip netns delete \(name)", exit: result.exit.description, said: LabTools.lastWords(of: result))
        }
    }

    /// The directory may be one that was there before and was empty: it goes too, but nothing that is not of a lab.
    private func removeFiles(_ paths: LabPaths) throws {
        guard LabFiles.exists(paths.plan) || LabFiles.names(in: paths.directory).isEmpty else { return }
        try LabFiles.removeTree(paths.directory)
    }
}
