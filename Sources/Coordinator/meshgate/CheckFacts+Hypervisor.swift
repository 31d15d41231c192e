// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What a hypervisor says of itself and of the mesh's machines on it, by each way that was asked.
extension CheckFacts {
    func hypervisors(most: Int) -> [String] {
        facts.flatMap { fact -> [String] in
            switch fact {
            case .hypervisor(let host): lines(host, by: "API", most)
            case .hypervisorFiles(let host): lines(host, by: "files", most)
            default: []
            }
        }
    }

    private func lines(_ host: HypervisorFact, by way: String, _ most: Int) -> [String] {
        var rows = [
            ["by its \(way)", host.host + (host.version.isEmpty ? "" : ", Proxmox VE \(host.version)")],
            ["cores", "\(host.cores), \(host.coresInUse) given out to what runs"],
            ["memory", "\(host.memory.used) of \(host.memory.total) in use"],
        ]
        rows += host.stores.sorted { $0.key < $1.key }.map { ["storage \($0.key)", "\($0.value.percent) % of \($0.value.total) in use"] }
        rows += host.vnets.filter { !$0.isHere || $0.isPending }.map {
            ["vnet \($0.name)", $0.isHere ? "not applied yet" : "its zone \($0.zone) does not reach this host"]
        }
        rows += host.neighbours.map { ["elsewhere", "\($0.vmid) \($0.name) on \($0.host)"] }
        rows += (host.orphans ?? []).map { ["named by no guest", $0.volume + ($0.size.map { ", \($0)" } ?? "")] }
        rows += host.unread.map { ["not read", $0] }
        return Table(rows: rows).text.split(separator: "\n").map(String.init) + limited(machines(host), most)
    }

    private func machines(_ host: HypervisorFact) -> [[String]] {
        [["VM", "NAME", "STATE", "CORES", "MEMORY", "CPU", "CARDS", "DISKS"]]
            + host.guests.map { guest in
                [
                    String(guest.vmid), guest.name, guest.isRunning ? "running" : "stopped", guest.cores.map(String.init) ?? "-",
                    guest.memory?.description ?? "-", guest.cpu ?? "kvm64",
                    guest.cards.map { card in
                        "\(card.slot) on \(card.bridge ?? "-")" + (card.tag.map { ", VLAN \($0)" } ?? "")
                            + (card.mtu.map { ", MTU \($0)" } ?? "") + (card.isDown ? ", unplugged" : "")
                    }.joined(separator: "; "),
                    guest.disks.map { disk in
                        "\(disk.slot) " + (disk.serial ?? "without a serial") + (disk.size.map { ", \($0)" } ?? "")
                    }.joined(separator: "; "),
                ]
            }
    }
}
