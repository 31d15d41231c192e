// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what hypervisors have left of machines that Terraform no longer knows.
extension Judge {
    func noOrphans(_ guests: [PlannedGuest], _ found: Found, _ say: Findings) -> Verdict {
        .all(
            Set(guests.map(\.hypervisor)).sorted().map { host in
                let own = guests.filter { $0.hypervisor == host }
                return say.pass(unless: orphans(on: host, own, found.virtualDisks(host), say) + volumes(on: host, own, found, say))
            })
    }

    /// Volumes with the number of a planned machine that nothing names any more. The number is all that ties them to the mesh, so a person looks.
    private func volumes(on host: NodeID, _ guests: [PlannedGuest], _ found: Found, _ say: Findings) -> [Reason] {
        let all = [found.hypervisorByAPI(host), found.hypervisorByFiles(host)].compactMap { $0?.orphans }.flatMap(\.self)
        // Both ways see the same volume, and one of them may not know its size.
        let known = Dictionary(all.map { ($0.volume, $0) }) { $0.size == nil ? $1 : $0 }.values.sorted { $0.volume < $1.volume }
        return known.compactMap { orphan in
            guard let guest = guests.first(where: { $0.vmid == orphan.vmid }) else { return nil }
            let size = orphan.size.map { ", \($0)" } ?? ""
            return say.reason(
                .node(host), .inUse,
                "volume \(orphan.volume)\(size), on \(host) has the number of \(guest.name), and no guest's configuration names it",
                "look into it (`pvesm path \(orphan.volume)` on \(host)); when nobody needs it, `pvesm free \(orphan.volume)`")
        }
    }

    private func orphans(on host: NodeID, _ guests: [PlannedGuest], _ disks: [VirtualDiskFact], _ say: Findings) -> [Reason] {
        Dictionary(grouping: disks, by: \.vmid).sorted { $0.key < $1.key }.compactMap { vmid, disks in
            let machine = disks[0].machine
            let volumes = disks.map { "\($0.slot) \($0.volume)" + ($0.serial.map { " (serial \($0))" } ?? "") }.joined(separator: ", ")
            if let guest = guests.first(where: { $0.name.text == machine }) {
                let serials = Set(disks.compactMap(\.serial))
                let isExact = guest.vmid.map(UInt64.init) == vmid && guest.serials.allSatisfy(serials.contains)
                return say.reason(
                    .node(host), .inUse, "machine \(vmid) \(machine) is still on \(host): \(volumes)",
                    isExact
                        ? "it is the planned one by name, number and serials. On \(host): `qm stop \(vmid); qm destroy \(vmid) --purge 1 "
                            + "--destroy-unreferenced-disks 1`"
                        : "it has the planned name, and not all of the planned number and serials: look at `qm config \(vmid)` on \(host) "
                            + "before you remove it")
            }
            let planned = Set(guests.flatMap(\.serials))
            let shared = disks.filter { $0.serial.map(planned.contains) ?? false }
            guard !shared.isEmpty else { return nil }
            return say.reason(
                .node(host), .inUse,
                "machine \(vmid) \(machine) on \(host) has a disk of the mesh's: "
                    + shared.map { "\($0.slot) \($0.volume) (serial \($0.serial ?? ""))" }.joined(separator: ", "),
                "the machine is not of this mesh, by its name: look at `qm config \(vmid)` on \(host) before you take the disk away")
        }
    }
}
