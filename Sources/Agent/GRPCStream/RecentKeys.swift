// SPDX-License-Identifier: Apache-2.0

/// The last so many keys that came, the oldest forgotten first: whether something came before.
package struct RecentKeys {
    private let most: Int
    private var keys: Set<Int> = []
    private var order: [Int] = []
    private var oldest = 0

    package init(most: Int) { self.most = max(1, most) }

    /// False when the key is among them already.
    package mutating func insert(_ key: Int) -> Bool {
        guard keys.insert(key).inserted else { return false }
        if order.count < most {
            order.append(key)
        } else {
            keys.remove(order[oldest])
            order[oldest] = key
            oldest = (oldest + 1) % most
        }
        return true
    }
}
