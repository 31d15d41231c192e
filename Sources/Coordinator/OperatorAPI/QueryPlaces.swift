// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How many may read the store at once, over all listeners: each of them keeps a thread, a disk and some memory busy.
final class QueryPlaces: Sendable {
    /// One of them, given back when it is left or when nobody holds it any more.
    final class Place: Sendable {
        private let places: QueryPlaces
        private let isLeft = Atomic(false)

        fileprivate init(_ places: QueryPlaces) { self.places = places }
        deinit { leave() }

        func leave() {
            if !isLeft.exchange(true, ordering: .relaxed) { places.taken.withLock { $0 -= 1 } }
        }
    }

    let limit: Int
    private let taken = Mutex(0)

    init(_ limit: Int) { self.limit = limit }

    /// `nil` when all are taken.
    func take() -> Place? {
        let hasRoom = taken.withLock { taken in
            defer { if taken < limit { taken += 1 } }
            return taken < limit
        }
        return hasRoom ? Place(self) : nil
    }
}
