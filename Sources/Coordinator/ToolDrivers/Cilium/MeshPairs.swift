// SPDX-License-Identifier: Apache-2.0

/// Every pair of a mesh, in rounds of pairs that share no cluster: within a round all may be worked on at once, and no cluster's Helm release
/// is ever changed by two commands at the same time. As many rounds as clusters, not as pairs (the circle method of round-robin tournaments).
enum MeshPairs {
    static func rounds<Member>(of members: [Member]) -> [[(Member, Member)]] {
        guard members.count > 1 else { return [] }
        // With an odd number one sits out each round.
        var seats: [Int?] = Array(members.indices)
        if !seats.count.isMultiple(of: 2) { seats.append(nil) }
        return (0..<seats.count - 1).map { _ in
            let round = (0..<seats.count / 2).compactMap { index -> (Member, Member)? in
                guard let left = seats[index], let right = seats[seats.count - 1 - index] else { return nil }
                return (members[min(left, right)], members[max(left, right)])
            }
            // The first stays, the others move on by one seat.
            seats.insert(seats.removeLast(), at: 1)
            return round
        }
    }
}
