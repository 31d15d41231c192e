// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// What this Proxmox host has written down in /etc/pve, as the facts that its API would tell with a token: the configurations of all guests of
/// its cluster, what its hosts told each other last, storages and virtual networks. Nothing of guests that do not concern the mesh leaves here
/// but sums.
///
/// It is the wiper's process that reads it: the group that may (www-data) may also read the key of the host's web server, and belongs in no
/// process with a network.
struct HypervisorFiles {
    /// `/etc/pve`.
    let root: String
    /// `/dev`, where volumes of LVM and ZFS have names.
    let devroot: String

    private static let longestFile = 512 << 10
    private static let longestStatistics = 8 << 20
    /// More guests than this are in no cluster, and more bytes than this pmxcfs does not keep.
    private static let mostGuests = 8192
    private static let mostBytes = 128 << 20
    /// More than this of one mesh are on no host, and an answer has to fit into a frame.
    private static let mostConcerned = 200

    func look(for selector: GuestSelector) throws -> HypervisorFact {
        let host = try ownName()
        let statistics = ProxmoxStatistics(parsing: try text("\(root)/.rrd", limit: Self.longestStatistics) ?? "")
        guard let own = statistics.host(host) else {
            throw DiskWipeError.hypervisor(
                path: "\(root)/.rrd", problem: "it says nothing of \(plainWords(host)); is pvestatd running on this host?")
        }
        let found = try guests()
        let here = found.guests.filter { $0.host == host }
        var fact = HypervisorFact(host: plainWords(host, limit: 64), version: "", cores: own.cores, memory: own.memory)
        fact.unread = found.unread
        fact.coresInUse = here.compactMap { statistics.guest($0.vmid) }.filter(\.isRunning).reduce(0) { min($0 + $1.cores, 1 << 30) }
        for guest in found.guests where guest.isVirtual && guest.file.settings["template"] != "1" {
            let described = HypervisorFact.Guest(
                vmid: guest.vmid, settings: guest.file.settings, isRunning: statistics.guest(guest.vmid)?.isRunning ?? false)
            guard selector.concerns(described) else { continue }
            if guest.host == host {
                fact.guests.append(described)
            } else {
                fact.neighbours.append(neighbour(described, guest.host, selector))
            }
        }
        // A container takes a number and a name all the same.
        fact.neighbours += found.guests.filter { !$0.isVirtual }.compactMap { container in
            let name = plainWords(container.file.settings["hostname"] ?? "", limit: 128)
            guard selector.concerns(vmid: container.vmid, name: name) else { return nil }
            return .init(vmid: container.vmid, name: name, host: plainWords(container.host, limit: 64))
        }
        guard fact.guests.count + fact.neighbours.count <= Self.mostConcerned else {
            throw DiskWipeError.hypervisor(path: root, problem: "more than \(Self.mostConcerned) of its guests concern the mesh")
        }
        fact.guests.sort { $0.vmid < $1.vmid }
        fact.neighbours.sort { ($0.vmid, $0.host) < ($1.vmid, $1.host) }
        for store in Set(fact.guests.flatMap { $0.disks.compactMap(\.store) }) {
            fact.stores[store] = statistics.storage(store, on: host)
        }
        fact.vnets = try networks(host)
        // Any file that could not be read may name any volume.
        if found.unread.isEmpty {
            let ours = fact.guests.filter { selector.names.contains($0.name) }.map(\.vmid)
            fact.orphans = try orphans(host, found.guests, numbers: Set(selector.numbers + ours))
        }
        return fact
    }

    // MARK: guests

    private struct Guest {
        var vmid: Int
        var host: String
        /// In contrast to a container.
        var isVirtual: Bool
        var file: ProxmoxGuestFile
    }

    /// `local` is the link that Proxmox keeps to the host's own directory.
    private func ownName() throws -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        let length = readlink("\(root)/local", &buffer, buffer.count - 1)
        let name = String(decoding: buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: "/").last
        guard length > 0, let name else {
            throw DiskWipeError.hypervisor(
                path: "\(root)/local", problem: "it is no link to the host's own directory: is this a Proxmox host?")
        }
        return String(name)
    }

    /// Of the whole cluster: each host has the files of all.
    private func guests() throws -> (guests: [Guest], unread: [String]) {
        var guests: [Guest] = []
        var unread: [String] = []
        var bytes = 0
        for host in try names("\(root)/nodes") {
            for (kind, isVirtual) in [("qemu-server", true), ("lxc", false)] {
                let directory = "\(root)/nodes/\(host)/\(kind)"
                for vmid in try names(directory).compactMap({ $0.hasSuffix(".conf") ? ProxmoxProperty.number(String($0.dropLast(5))) : nil }
                ) {
                    guard guests.count + unread.count < Self.mostGuests, bytes <= Self.mostBytes else {
                        throw DiskWipeError.hypervisor(path: root, problem: "more guests, or more text about them, than a cluster has")
                    }
                    do {
                        // A guest that is removed or moved this very moment has no file here any more.
                        guard let text = try text("\(directory)/\(vmid).conf", limit: Self.longestFile) else { continue }
                        bytes += text.utf8.count
                        guests.append(Guest(vmid: vmid, host: host, isVirtual: isVirtual, file: ProxmoxGuestFile(parsing: text)))
                    } catch {
                        unread.append(plainWords("\(error)", limit: 200))
                    }
                }
            }
        }
        return (guests, Array(unread.prefix(16)))
    }

    private func neighbour(_ guest: HypervisorFact.Guest, _ host: String, _ selector: GuestSelector) -> HypervisorFact.Neighbour {
        .init(
            vmid: guest.vmid, name: guest.name, host: plainWords(host, limit: 64),
            addresses: guest.cards.compactMap(\.mac).filter(selector.addresses.contains),
            serials: guest.disks.compactMap(\.serial).filter(selector.serials.contains))
    }

    // MARK: networks and storages

    private func networks(_ host: String) throws -> [HypervisorFact.VNet] {
        let running = "\(root)/sdn/.running-config"
        do {
            return try ProxmoxNetworks(
                zones: try text("\(root)/sdn/zones.cfg", limit: Self.longestFile) ?? "",
                vnets: try text("\(root)/sdn/vnets.cfg", limit: Self.longestFile) ?? "",
                running: try LinuxFileStore().read(running, limit: Self.longestFile) ?? []
            ).all(on: host)
        } catch is DecodingError {
            throw DiskWipeError.hypervisor(path: running, problem: "it is not the JSON that Proxmox writes")
        }
    }

    /// Volumes named after one of these machines that no configuration in the cluster names, in no section. Of storages that list nothing here,
    /// and of volumes of LVM that are not active, nothing is seen.
    private func orphans(_ host: String, _ guests: [Guest], numbers: Set<Int>) throws -> [HypervisorFact.Orphan] {
        let storages = StorageConfiguration(parsing: try text("\(root)/storage.cfg", limit: Self.longestFile) ?? "")
        let named = Set(guests.flatMap { $0.file.volumes.map(Self.lastPart) })
        var orphans: [HypervisorFact.Orphan] = []
        for (store, section) in storages.storages.sorted(by: { $0.key < $1.key }) where section.options["disable"] == nil {
            if let nodes = section.options["nodes"], !nodes.split(separator: ",").contains(Substring(host)) { continue }
            for volume in volumes(of: store, section, numbers: numbers) {
                guard let vmid = GuestSelector.number(inVolume: volume.name), numbers.contains(vmid),
                    !named.contains(Self.lastPart(volume.name))
                else { continue }
                orphans.append(.init(volume: plainWords(volume.name, limit: 256), vmid: vmid, size: volume.size))
            }
        }
        return Array(orphans.prefix(Self.mostConcerned))
    }

    /// `STORE` and the last part of the name: a linked clone has its base's name before its own.
    private static func lastPart(_ volume: String) -> String {
        let parts = volume.split(separator: ":", maxSplits: 1)
        return "\(parts.first ?? ""):\(parts.last?.split(separator: "/").last ?? "")"
    }

    private func volumes(
        of store: String, _ section: ProxmoxSections.Section, numbers: Set<Int>
    ) -> [(name: String, size: ByteCount?)] {
        func listed(_ directory: String) -> [String] { (try? LinuxFileStore().list(directory)) ?? [] }
        switch section.kind {
        case "lvm", "lvmthin":
            guard let group = section.options["vgname"] else { return [] }
            return listed("\(devroot)/\(group)").map { ("\(store):\($0)", nil) }
        case "zfspool":
            guard let pool = section.options["pool"] else { return [] }
            return listed("\(devroot)/zvol/\(pool)").filter { !$0.contains("-part") }.map { ("\(store):\($0)", nil) }
        case "dir", "nfs", "cifs", "cephfs", "btrfs":
            guard let path = section.options["path"] else { return [] }
            return numbers.sorted().flatMap { number in
                listed("\(path)/images/\(number)").map { ("\(store):\(number)/\($0)", size("\(path)/images/\(number)/\($0)")) }
            }
        default: return []
        }
    }

    private func size(_ path: String) -> ByteCount? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size >= 0 else { return nil }
        return ByteCount(bytes: UInt64(status.st_size))
    }

    // MARK: reading

    private func names(_ directory: String) throws -> [String] {
        do {
            return try LinuxFileStore().list(directory) ?? []
        } catch {
            throw DiskWipeError.hypervisor(path: directory, problem: "\(error)")
        }
    }

    private func text(_ path: String, limit: Int) throws -> String? {
        do {
            return try LinuxFileStore().read(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
        } catch {
            throw DiskWipeError.hypervisor(path: path, problem: "\(error)")
        }
    }
}
