// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Phases of Terraform that services name: each is there, each is one service's, and no other phase would change what it names.
struct ServicePhases {
    let log: FaultLog
    let book: NameBook
    let phases: [MeshSpec.Provision.Phase]
    private var taken: [String: (service: String, line: Int)] = [:]

    init(log: FaultLog, book: NameBook, phases: [MeshSpec.Provision.Phase]) {
        self.log = log
        self.book = book
        self.phases = phases
    }

    /// - Parameter item: the service as it stands in the file.
    mutating func take(_ service: MeshSpec.Service, _ item: YAMLTree) {
        guard let phase = service.phase, let place = item.entry("terraform")?.value.entry("phase")?.value.place else { return }
        let title = "service \(quoted(service.name))"
        book.check(phase, at: place, from: title, log: log)
        if let (other, line) = taken[phase] {
            log.add(place, "\(title) names the phase \(quoted(phase)), which service \(quoted(other)) names on line \(line) already")
        } else {
            taken[phase] = (service.name, place.line)
        }
        if service.clusters.isEmpty { log.add(item.place, "\(title) is on no cluster: its phase would have nothing to wait for") }
    }

    /// - Parameter items: the phases as they stand in the file.
    func finish(_ items: [YAMLTree]) {
        for item in items {
            guard case .scalar(let name, _)? = item.entry("name")?.value.content, let phase = phases.first(where: { $0.name == name })
            else {
                continue
            }
            check(phase, at: item.entry("addresses")?.value.place ?? item.place)
        }
    }

    /// What is applied before the clusters must leave alone what waits for them, and the other way round.
    private func check(_ phase: MeshSpec.Provision.Phase, at place: Place) {
        let isService = taken[phase.name] != nil
        // Two services' phases are told of once, at the later one.
        let others = (isService ? Array(phases.prefix { $0.name != phase.name }) : phases).filter { taken[$0.name] != nil }
        if phase.addresses.isEmpty, isService || !others.isEmpty {
            let what = isService ? "is a service's" : "is applied before phase \(quoted(others[0].name)), which is a service's"
            log.add(
                place, "phase \(quoted(phase.name)) has no addresses and so is the whole configuration; it \(what) and wants a list of them"
            )
        }
        for other in others {
            for address in phase.addresses {
                guard let same = other.addresses.first(where: { overlap($0, address) }) else { continue }
                log.add(
                    place,
                    "phase \(quoted(phase.name)) names \(address), and phase \(quoted(other.name)) of a service names \(same); one of them "
                        + "would change what is the other's")
            }
        }
    }

    private func overlap(_ one: String, _ other: String) -> Bool { covers(one, other) || covers(other, one) }

    /// `module.east` covers `module.east.null_resource.a[0]`, and not `module.eastern`.
    private func covers(_ one: String, _ other: String) -> Bool {
        guard other.hasPrefix(one) else { return false }
        guard let next = other.utf8.dropFirst(one.utf8.count).first else { return true }
        return next == UInt8(ascii: ".") || next == UInt8(ascii: "[")
    }
}
