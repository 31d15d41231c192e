// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Synchronization

/// Which seed each proof was asked for with, until it is answered. A coordinator that was restarted knows none, and asks anew.
final class SeedBook: Sendable {
    private struct Pages {
        var seeds: [TaskID: Digest] = [:]
        var order: [TaskID] = []
    }

    private let pages = Mutex(Pages())
    /// More than this are not on their way at once.
    private static let most = 4096

    func note(_ seed: Digest, for task: TaskID) {
        pages.withLock { pages in
            if pages.seeds.updateValue(seed, forKey: task) == nil { pages.order.append(task) }
            if pages.order.count > Self.most { pages.seeds[pages.order.removeFirst()] = nil }
        }
    }

    func seed(of task: TaskID) -> Digest? { pages.withLock { $0.seeds[task] } }
}
