// SPDX-License-Identifier: Apache-2.0

extension MeshSpec {
    /// What every machine of a cluster with an agent has to be and to have; nothing of it is asked unless mesh.yaml says so.
    package struct Hosts: Hashable, Sendable, Codable {
        /// The micro-architecture level of x86-64 that images are built for, 2 to 4; absent where any will do.
        package var processorLevel: Int?
        /// Whether the hosts' probers may list the packet filter, so that what kube-proxy left there is seen.
        package var packetFilter: Bool
        /// In the order of the file.
        package var outside: [OutsideTarget]
        package init(processorLevel: Int? = nil, packetFilter: Bool = false, outside: [OutsideTarget] = []) {
            self.processorLevel = processorLevel
            self.packetFilter = packetFilter
            self.outside = outside
        }
    }
}
