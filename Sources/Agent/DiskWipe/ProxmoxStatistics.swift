// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What the hosts of a Proxmox cluster told each other in the last minutes (`/etc/pve/.rrd`): `KEY:VALUE:...`, a line for each host, guest and
/// storage. The columns are those that Proxmox' own list of resources reads (pve-manager, `PVE/API2Tools.pm`). Pure.
struct ProxmoxStatistics: Hashable {
    struct Host: Hashable {
        var cores: Int
        var memory: HypervisorFact.Share
    }
    struct Guest: Hashable {
        var isRunning: Bool
        var cores: Int
    }

    private let lines: [String: [Substring]]

    /// Takes any text.
    init(parsing text: String) {
        var lines: [String: [Substring]] = [:]
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let columns = Substring(line).split(separator: ":", omittingEmptySubsequences: false)
            if columns.count > 1 { lines[String(columns[0])] = Array(columns.dropFirst()) }
        }
        self.lines = lines
    }

    func host(_ name: String) -> Host? {
        guard let columns = columns("node", name), let memory = share(columns, used: 8, total: 7) else { return nil }
        return Host(cores: Int(clamping: size(columns, 4) ?? 0), memory: memory)
    }

    func guest(_ vmid: Int) -> Guest? {
        guard let columns = columns("vm", String(vmid)), columns.count > 5 else { return nil }
        return Guest(isRunning: columns[2] == "running", cores: ProxmoxProperty.number(String(columns[5])) ?? 0)
    }

    func storage(_ name: String, on host: String) -> HypervisorFact.Share? {
        columns("storage", "\(host)/\(name)").flatMap { share($0, used: 2, total: 1) }
    }

    /// Proxmox VE 9 has names of its own for the same columns.
    private func columns(_ kind: String, _ name: String) -> [Substring]? {
        lines["pve-\(kind)-9.0/\(name)"] ?? lines["pve2\(kind == "vm" ? ".3" : "")-\(kind)/\(name)"]
    }

    private func share(_ columns: [Substring], used: Int, total: Int) -> HypervisorFact.Share? {
        guard let used = size(columns, used), let total = size(columns, total) else { return nil }
        return .init(used: ByteCount(bytes: used), total: ByteCount(bytes: total))
    }

    /// `U` is a value that nobody knows.
    private func size(_ columns: [Substring], _ index: Int) -> UInt64? {
        guard columns.indices.contains(index) else { return nil }
        return UInt64(columns[index]).flatMap { $0 < 1 << 60 ? $0 : nil }
    }
}
