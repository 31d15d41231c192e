// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Synchronization

/// Finds out whether the lock of a remote state keeps a second Terraform out (G-TF-03). A bucket without conditional writes takes the
/// setting and locks nothing (D53), so it is tried, not believed.
///
/// `terraform console` holds the lock until its input ends and changes nothing: while one is inside, a second one must be refused.
struct TerraformLockProbe: Sendable {
    let driver: TerraformDriver

    /// The answer is remembered for as long as this process lives: backends do not learn to lock overnight.
    func probe() async throws -> (TerraformFact.StateLock, String) {
        let backend = try backendType()
        guard let backend else { return (.holds, "a local file, locked by the kernel of this machine") }
        if let known = driver.tools.claims.answer(driver.lockKey) { return (.holds, known) }
        let answer = try await tryTwo(backend)
        if answer.0 == .holds { driver.tools.claims.remember(answer.1, as: driver.lockKey) }
        return answer
    }

    /// `nil` for a state in a file beside the configuration.
    private func backendType() throws -> String? {
        guard let bytes = try driver.tools.files.read(driver.backendFile, limit: 1 << 20), let settings = JSON.decode(bytes),
            let type = settings["backend", "type"]?.string, type != "local"
        else { return nil }
        return type
    }

    /// How long the first one may take to get in. The second ones try meanwhile.
    var patience = Duration.seconds(5)
    /// Second ones that must have got in before the lock is called broken: the first few may have been faster than the first.
    private static let enough = 5

    /// - Parameter backend: its type, for messages.
    func tryTwo(_ backend: String) async throws -> (TerraformFact.StateLock, String) {
        let first = Presence()
        return try await withThrowingTaskGroup(of: (TerraformFact.StateLock, String)?.self) { group in
            group.addTask {
                var call = driver.lookCall
                call.keepsInputOpen = true
                let result = try await driver.run(["console"], deadline: .seconds(60), call: call)
                first.isInside.store(false, ordering: .sequentiallyConsistent)
                // The other one was faster, and this one was refused: that shows the same.
                if !result.succeeded, result.errorText.contains(TerraformLine.Diagnostic.lockSummary) {
                    return (.holds, "one of two terraforms was refused while the other held the lock (\(backend))")
                }
                // It stays until it is cancelled; one that ended by itself held nothing.
                return (.unknown, "`terraform console` ended with \(result.exit): \(result.lastWords)")
            }
            group.addTask {
                let clock = ContinuousClock()
                let end = clock.now.advanced(by: patience)
                var entered = 0
                while entered < Self.enough || clock.now < end {
                    let second = try await driver.run(["console"], deadline: .seconds(60), call: driver.lookCall)
                    guard first.isInside.load(ordering: .sequentiallyConsistent) else { return nil }
                    if !second.succeeded, second.errorText.contains(TerraformLine.Diagnostic.lockSummary) {
                        return (.holds, "a second terraform was refused while one held the lock (\(backend))")
                    }
                    guard second.succeeded else {
                        return (.unknown, "`terraform console` ended with \(second.exit): \(second.lastWords)")
                    }
                    entered += 1
                }
                return (.broken, "two terraforms held the state of backend \(backend) at the same time")
            }
            defer { group.cancelAll() }
            while let answer = try await group.next() { if let answer { return answer } }
            return (.unknown, "nothing was heard of terraform")
        }
    }

    private final class Presence: Sendable {
        let isInside = Atomic(true)
    }
}
