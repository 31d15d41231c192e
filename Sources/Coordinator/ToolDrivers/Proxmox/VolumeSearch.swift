// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Looks in a Proxmox host's storages for volumes that nobody names. Reading only; what is found is reported, and a person removes it.
struct VolumeSearch: Sendable {
    let client: ProxmoxClient
    /// `/nodes/NAME`.
    let path: String

    /// Volumes with the number of one of these machines. `nil` when the token would not be shown all of them: Proxmox leaves out, without a
    /// word, images of machines that it may not reconfigure (pve-storage, `check_volume_access`), and an empty list would look like a clean host.
    func volumes(of numbers: Set<Int>, in storages: [HelmValue]) async throws -> [HypervisorFact.Orphan]? {
        guard !numbers.isEmpty else { return [] }
        guard try await maySeeAll() else { return nil }
        var found: [HypervisorFact.Orphan] = []
        for storage in storages {
            guard let name = storage["storage"]?.string, storage["content"]?.string?.split(separator: ",").contains("images") ?? false
            else { continue }
            do {
                let items = try await client.get("\(path)/storage/\(DopplerStore.escaped(name))/content?content=images").list
                found += items.compactMap { item in
                    guard let volume = item["volid"]?.string, let vmid = item["vmid"]?.count, numbers.contains(vmid) else { return nil }
                    return .init(volume: ProxmoxProperty.plain(volume, limit: 256), vmid: vmid, size: item["size"]?.size)
                }
            } catch ProxmoxError.forbidden, ProxmoxError.answered {
                return nil
            }
        }
        return found.sorted { $0.volume < $1.volume }
    }

    private func maySeeAll() async throws -> Bool {
        let rights: HelmValue
        do {
            rights = try await client.get("/access/permissions")
        } catch ProxmoxError.forbidden, ProxmoxError.answered {
            return false
        }
        // 1: for everything below, too.
        return rights["/vms", "VM.Config.Disk"]?.count == 1 || rights["/storage", "Datastore.Allocate"]?.count == 1
    }

    /// Those that no configuration names. A machine of another host tells by its own host, and one with snapshots may name more there than its
    /// configuration shows: about these nothing is said.
    ///
    /// - Parameter homes: every machine of the cluster, and whether it is of this host.
    /// - Parameter settings: configurations of this host's machines.
    func orphans(
        among volumes: [HypervisorFact.Orphan]?, homes: [Int: Bool], settings: [Int: [String: String]]
    ) async throws -> [HypervisorFact.Orphan]? {
        guard let volumes else { return nil }
        let named = Set(
            settings.values.flatMap(\.values).flatMap { value in
                let property = ProxmoxProperty(value)
                return [property.first, property.options["file"]].compactMap(\.self)
            })
        var orphans: [HypervisorFact.Orphan] = []
        for volume in volumes where !named.contains(volume.volume) {
            switch homes[volume.vmid] {
            case nil: orphans.append(volume)
            case false?: continue
            case true?: if settings[volume.vmid] != nil, try await hasNoSnapshot(volume.vmid) { orphans.append(volume) }
            }
        }
        return orphans
    }

    private func hasNoSnapshot(_ vmid: Int) async throws -> Bool {
        do {
            return try await client.get("\(path)/qemu/\(vmid)/snapshot").list.allSatisfy { $0["name"]?.string == "current" }
        } catch ProxmoxError.forbidden, ProxmoxError.answered {
            return false
        }
    }
}
