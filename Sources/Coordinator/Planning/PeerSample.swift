// SPDX-License-Identifier: Apache-2.0

/// Which nodes try which: enough that every pair of clusters is tried and every node both asks and is asked, and so evenly that nobody is
/// flooded. The work of a node does not grow with the mesh, but for one attempt here and there.
///
/// Clusters stand in a ring. Every node tries several nodes of each neighbour, which are the two clusters before and the two after its own.
/// Two clusters that are no neighbours are tried once, by one node of the two.
package struct PeerSample: Sendable {
    /// A node: the place of its cluster, and its own in there.
    package struct Place: Hashable, Sendable, Comparable {
        package var cluster: Int
        package var node: Int
        package init(cluster: Int, node: Int) {
            self.cluster = cluster
            self.node = node
        }
        package static func < (left: Self, right: Self) -> Bool { (left.cluster, left.node) < (right.cluster, right.node) }
    }

    /// A cluster of so many nodes is tried whole by each node of a neighbour; of larger ones, `few` nodes are.
    package static let small = 4
    package static let few = 3
    /// Of clusters that are no neighbours; a node has no time for more.
    package static let mostDistant = 40

    private let sizes: [Int]

    /// `sizes`: how many nodes each cluster has, in the ring's order.
    package init(sizes: [Int]) { self.sizes = sizes }

    /// The nodes of other clusters that a node tries, in the order of their places.
    package func peers(of place: Place) -> [Place] {
        let near = neighbours(of: place.cluster).flatMap { other in
            chosen(by: place.node, of: sizes[place.cluster], among: sizes[other]).map { Place(cluster: other, node: $0) }
        }
        return (near + distant(place)).sorted()
    }

    /// Those of its own cluster: the two that follow it.
    package func siblings(of place: Place) -> [Place] {
        let count = sizes[place.cluster]
        return Set([1, 2].map { (place.node + $0) % count }).subtracting([place.node]).sorted().map {
            Place(cluster: place.cluster, node: $0)
        }
    }

    private func neighbours(of cluster: Int) -> [Int] {
        let count = sizes.count
        return Set([1, 2, count - 1, count - 2].map { (cluster + $0 + count) % count }).subtracting([cluster]).sorted()
    }

    /// Laid end to end around the other cluster, the choices of all who ask cover it evenly.
    private func chosen(by asker: Int, of askers: Int, among others: Int) -> [Int] {
        guard others > Self.small else { return Array(0..<others) }
        // Where few ask many, steps between them reach all parts of the cluster.
        let stride = max(1, others / max(1, askers * Self.few))
        return (0..<Self.few).map { (asker * Self.few + $0) * stride % others }
    }

    /// Each pair of clusters that are no neighbours belongs to one of the two, and there to one node.
    private func distant(_ place: Place) -> [Place] {
        let (count, own) = (sizes.count, place.cluster)
        let mine = (3..<max(3, count - 2)).filter { distance in
            // From both ends the pair has two distances, which add up to the size of the ring.
            distance * 2 < count || (distance * 2 == count && own < (own + distance) % count)
        }
        return mine.enumerated().filter { $0.offset % sizes[own] == place.node }.prefix(Self.mostDistant).compactMap { _, distance in
            let other = (own + distance) % count
            return sizes[other] == 0 ? nil : Place(cluster: other, node: distance % sizes[other])
        }
    }
}
