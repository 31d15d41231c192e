// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A stand-in for Proxmox VE's API (`/api2/json`): GET only, for one token, and in the shapes of the real one. What it says it reads from a
/// directory like /etc/pve at each request, so that a host's API and its files never differ. It is no Proxmox.
package struct StandInProxmox: Sendable {
    /// What is wrong with the API itself; what is wrong with machines stands in their files.
    package struct Faults: Hashable, Sendable, Codable {
        /// Answer everything with this status.
        package var status: Int?
        /// Milliseconds before each answer.
        package var slow: Int?
        package init(status: Int? = nil, slow: Int? = nil) {
            self.status = status
            self.slow = slow
        }
    }

    /// Like /etc/pve.
    let root: String
    /// `USER@REALM!TOKENID=SECRET`.
    let token: String

    package init(root: String, token: String) {
        self.root = root
        self.token = token
    }

    /// Where faults are written, as JSON; no file, no fault.
    package static func faultsFile(in root: String) -> String { root + "/stand-in-faults.json" }

    /// What a request of `path`, with its query, is answered with.
    package func answer(_ method: String, _ path: String, authorization: String?, faults: Faults = Faults()) -> (
        status: Int, json: HelmValue
    ) {
        if let status = faults.status { return (status, ["data": .null, "message": "this stand-in was told to answer with \(status)"]) }
        guard authorization == "PVEAPIToken=" + token else { return (401, ["data": .null]) }
        let prefix = "/api2/json"
        let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
        guard method == "GET", let place = parts.first, place.hasPrefix(prefix) else { return unknown(method, path) }
        let query = parts.count > 1 ? parts[1].split(separator: "&").map(String.init) : []
        let words = place.dropFirst(prefix.count).split(separator: "/").map(String.init)
        guard let data = data(words, query) else { return unknown(method, place) }
        return (200, ["data": data])
    }

    private func unknown(_ method: String, _ path: String) -> (Int, HelmValue) {
        (501, ["data": .null, "message": .string("Method '\(method) \(path)' not implemented")])
    }

    private func data(_ words: [String], _ query: [String]) -> HelmValue? {
        let host = LabFiles.link(root + "/local").map { $0.split(separator: "/").last.map(String.init) ?? "" } ?? ""
        switch words.first {
        case "version" where words.count == 1: return ["release": "8.4", "repoid": "stand-in", "version": "8.4.1"]
        case "nodes" where words.count == 1: return .list(statistics.hosts)
        case "cluster" where words == ["cluster", "resources"]: return .list(resources)
        case "cluster" where words == ["cluster", "sdn", "zones"]: return .list(zones)
        case "cluster" where words == ["cluster", "sdn", "vnets"]: return .list(vnets)
        case "access" where words == ["access", "permissions"]:
            // What a token of the role PVEAuditor may: look.
            let rights: HelmValue = ["VM.Audit": 1, "Sys.Audit": 1, "Datastore.Audit": 1, "SDN.Audit": 1]
            return ["/": rights, "/vms": rights, "/storage": rights]
        case "nodes" where words.count > 2 && words[1] == host: return node(host, Array(words.dropFirst(2)), query)
        default: return nil
        }
    }

    private func node(_ host: String, _ words: [String], _ query: [String]) -> HelmValue? {
        switch words.first {
        case "storage" where words.count == 1: return .list(storages(host))
        // To such a token no image is shown (pve-storage, `check_volume_access`).
        case "storage" where words.count == 3 && words[2] == "content": return []
        case "qemu" where words.count == 3 && words[2] == "config":
            guard let text = LabFiles.text("\(root)/nodes/\(host)/qemu-server/\(words[1]).conf") else { return nil }
            var settings = ProxmoxGuestFile(parsing: text).settings
            // Without `current` Proxmox tells how the machine will be after its next start.
            if !query.contains("current=1") { settings.merge(Self.pending(text)) { $1 } }
            return .map(settings.mapValues { value in Int64(value).map(HelmValue.integer) ?? .string(value) })
        case "qemu" where words.count == 3 && words[2] == "snapshot": return [["name": "current", "running": 1]]
        default: return nil
        }
    }

    private static func pending(_ text: String) -> [String: String] {
        guard let section = text.firstRange(of: "[PENDING]\n") else { return [:] }
        return ProxmoxGuestFile(parsing: String(text[section.upperBound...])).settings
    }

    // MARK: the files

    /// `.rrd`: `pve2-node/NAME:...`, `pve2.3-vm/VMID:...`, `pve2-storage/HOST/NAME:...`.
    private var statistics: (hosts: [HelmValue], guests: [String: [String]], storages: [String: [String]]) {
        var hosts: [HelmValue] = []
        var guests: [String: [String]] = [:], storages: [String: [String]] = [:]
        for line in (LabFiles.text(root + "/.rrd") ?? "").split(separator: "\n") {
            let columns = line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard let (kind, name) = columns.first.flatMap(Self.halves) else { continue }
            switch kind {
            case "pve2-node" where columns.count > 9:
                hosts.append([
                    "node": .string(name), "status": "online", "maxcpu": .count(Int(columns[5]) ?? 0),
                    "maxmem": .count(Int(columns[8]) ?? 0),
                    "mem": .count(Int(columns[9]) ?? 0),
                ])
            case "pve2.3-vm" where columns.count > 6: guests[name] = columns
            case "pve2-storage" where columns.count > 3: storages[name] = columns
            default: continue
            }
        }
        return (hosts, guests, storages)
    }

    private static func halves(_ key: String) -> (String, String)? {
        let parts = key.split(separator: "/", maxSplits: 1).map(String.init)
        return parts.count == 2 ? (parts[0], parts[1]) : nil
    }

    private var resources: [HelmValue] {
        let guests = statistics.guests
        return LabFiles.names(in: root + "/nodes").flatMap { host in
            LabFiles.names(in: "\(root)/nodes/\(host)/qemu-server").compactMap { file -> HelmValue? in
                guard file.hasSuffix(".conf"), let vmid = Int(file.dropLast(5)),
                    let text = LabFiles.text("\(root)/nodes/\(host)/qemu-server/\(file)")
                else { return nil }
                let columns = guests[String(vmid)]
                return [
                    "id": .string("qemu/\(vmid)"), "vmid": .count(vmid), "node": .string(host), "type": "qemu",
                    "name": .string(ProxmoxGuestFile(parsing: text).settings["name"] ?? ""), "status": .string(columns?[3] ?? "unknown"),
                    "maxcpu": .count(columns.flatMap { Int($0[6]) } ?? 0), "template": 0,
                ]
            }
        }
    }

    private func storages(_ host: String) -> [HelmValue] {
        let known = statistics.storages
        return ProxmoxSections(parsing: LabFiles.text(root + "/storage.cfg") ?? "").sections.sorted { $0.key < $1.key }.map {
            name, section in
            let columns = known["\(host)/\(name)"]
            return [
                "storage": .string(name), "type": .string(section.kind), "content": .string(section.options["content"] ?? ""),
                "active": columns == nil ? 0 : 1, "enabled": 1, "total": .count(columns.flatMap { Int($0[2]) } ?? 0),
                "used": .count(columns.flatMap { Int($0[3]) } ?? 0),
            ]
        }
    }

    private var zones: [HelmValue] {
        ProxmoxSections(parsing: LabFiles.text(root + "/sdn/zones.cfg") ?? "").sections.sorted { $0.key < $1.key }.map { name, section in
            var zone: HelmValue = ["zone": .string(name), "type": .string(section.kind)]
            if let nodes = section.options["nodes"] { zone["nodes"] = .string(nodes) }
            return zone
        }
    }

    /// Everything that is configured counts as applied.
    private var vnets: [HelmValue] {
        ProxmoxSections(parsing: LabFiles.text(root + "/sdn/vnets.cfg") ?? "").sections.sorted { $0.key < $1.key }.map { name, section in
            var vnet: HelmValue = ["vnet": .string(name), "zone": .string(section.options["zone"] ?? "")]
            if let tag = section.options["tag"].flatMap({ Int($0) }) { vnet["tag"] = .count(tag) }
            return vnet
        }
    }
}
