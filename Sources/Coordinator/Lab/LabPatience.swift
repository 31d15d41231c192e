// SPDX-License-Identifier: Apache-2.0

/// Waits for something that another process brings about and that we can only see by looking.
enum LabPatience {
    /// The first value that `look` finds, looking every 50 ms. Gives up when the time is over, or at once when `isPossible` says no.
    static func value<Value>(
        _ doing: String, for patience: Duration, remedy: String, while isPossible: () -> Bool = { true }, look: () async throws -> Value?
    ) async throws -> Value {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: patience)
        while true {
            if let value = try await look() { return value }
            guard clock.now < end, isPossible() else { throw LabError.noAnswer(doing: doing, waited: patience, remedy: remedy) }
            try await clock.sleep(for: .milliseconds(50))
        }
    }
}
