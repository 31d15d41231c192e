// SPDX-License-Identifier: Apache-2.0

/// What one service of the plan is to a cluster: whether it works, whether it is as planned, and whose it is.
package struct ServiceFact: Hashable, Sendable, Codable {
    /// Who made a workload that belongs to the service.
    package struct Owner: Hashable, Sendable, Codable {
        /// `NAMESPACE/KIND/NAME`.
        package var workload: String
        /// In words: `Helm release NAMESPACE/NAME`, `manager NAME`.
        package var owner: String
        /// Whether it is the release, or the very object by uid, that this service's own step made.
        package var isOurs: Bool
        package init(workload: String, owner: String, isOurs: Bool) {
            self.workload = workload
            self.owner = owner
            self.isOurs = isOurs
        }
    }
    /// The hosts outside of its cluster that the workloads are configured to talk to.
    package struct Egress: Hashable, Sendable, Codable {
        /// Sorted, each once.
        package var hosts: [HostName]
        /// How many more there are than are kept.
        package var more: Int

        /// More are not kept as evidence.
        package static let mostHosts = 64

        /// - Parameter found: all of them, in any order.
        package init(_ found: Set<HostName>) {
            hosts = Array(found.sorted().prefix(Self.mostHosts))
            more = found.count - hosts.count
        }

        /// For people: `a.example, b.example and 3 more`.
        package var words: String {
            hosts.isEmpty ? "nothing" : hosts.map(\.description).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
        }
    }
    /// Whether its workloads are ready and its functional probe was answered as it should be; absent when that could not be told.
    package var works: Bool?
    /// What was seen, without anything that changes from look to look.
    package var detail: String
    /// Where the installed values differ from the planned ones, as dotted keys without their values; absent when that could not be told.
    package var differences: [String]?
    /// Of each landmark of the service that is on the cluster.
    package var owners: [Owner]
    /// Absent where nobody looked, or it could not be told.
    package var egress: Egress?
    package init(works: Bool?, detail: String, differences: [String]?, owners: [Owner] = [], egress: Egress? = nil) {
        self.works = works
        self.detail = detail
        self.differences = differences
        self.owners = owners
        self.egress = egress
    }
}
