// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what hypervisors have left of machines that Terraform no longer knows.
extension Judge {
    func noOrphans(_ guests: [PlannedGuest], _ found: Found, _ say: Findings) -> Verdict {
        .all(
            Set(guests.map(\.hypervisor)).sorted().map { host in
                say.pass(unless: orphans(on: host, guests.filter { $0.hypervisor == host }, found.virtualDisks(host), say))
            })
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
