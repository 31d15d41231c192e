// SPDX-License-Identifier: Apache-2.0

/// What of a host's links a plan that builds can ask about. Ports of containers and routes to them come and go with pods, and the addresses of
/// Services with Services; none of that says anything about the host. Cilium's own links do, and so does whether it has any port of a pod: where there
/// is no Cilium, they are what one that is gone has left.
package struct LinkEssentials: Hashable, Sendable {
    package let links: [LinkFact]
    package let hasPodPorts: Bool
    package let defaultRoutes: [RouteFact]
    /// What could not be told.
    package let gaps: [Fact]

    package init(_ facts: [Fact]) {
        links = facts.compactMap { fact in
            guard case .link(var link) = fact, link.name != "kube-ipvs0" else { return nil }
            link.addresses = link.addresses.filter { !$0.hasPrefix("fe80:") }.sorted()
            // Loaded anew, a program has another number, and Cilium loads its own whenever something of an endpoint changes.
            link.programs = link.programs?.map { .init(hook: $0.hook, name: $0.name) }
            let isPort = link.kind == "veth" && link.addresses.isEmpty && !link.name.hasPrefix("cilium_")
            return isPort ? nil : link
        }
        hasPodPorts = facts.contains { if case .link(let link) = $0 { link.name.hasPrefix("lxc") } else { false } }
        defaultRoutes = facts.compactMap { if case .route(let route) = $0, route.destination == nil { route } else { nil } }
        gaps = facts.filter { if case .unavailable = $0 { true } else { false } }
    }
}
