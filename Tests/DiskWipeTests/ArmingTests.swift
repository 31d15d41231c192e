// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

/// A wiper that lost its record is armed by a signed message, and by nothing else.
extension DiskTests {
    @Suite("arming", .serialized)
    struct ArmingTests {
        private func terms(_ bench: Bench, _ store: ReplayStore, _ change: (inout ArmingTerms) -> Void = { _ in }) throws -> ArmingTerms {
            let now = Timestamp(seconds: SystemClock.now().wall.seconds)
            var terms = ArmingTerms(
                mesh: "lab", node: Bench.node, nodeKey: Bench.nodeKey, boot: bench.boot, store: try #require(store.challenge),
                notBefore: now + .seconds(-60), notAfter: now + .seconds(600))
            change(&terms)
            return terms
        }

        private func arm(_ bench: Bench, _ store: ReplayStore, key: String = "admin", _ change: (inout ArmingTerms) -> Void = { _ in })
            async throws -> TaskRefusal?
        {
            let envelope = try await bench.sign(text: try terms(bench, store, change).text, key: key)
            do throws(Refused) {
                try bench.wiper(store).arm(envelope)
                return nil
            } catch {
                return error.refusal
            }
        }

        /// A store that was used and whose end was then cut off.
        private func damage(_ bench: Bench) async throws {
            _ = try await bench.disk(size: 16 << 20)
            #expect(try await bench.wipe().ending == .cleared)
            let path = bench.configuration.storeDirectory + "/records"
            let records = try #require(try LinuxFileStore().read(path, limit: 1 << 20))
            try LinuxFileStore().write(Array(records.dropLast(ReplayRecord.size)), to: path)
        }

        @Test("a signed message begins a new store under the id that the wiper named, keeps the old one aside, and wipes go again")
        func signed() async throws {
            try await Bench.with { bench in
                try await damage(bench)
                let store = try bench.openStore()
                #expect(store.disarmedBecause?.contains("missing at its end") == true && store.mark == nil)
                let challenge = store.challenge
                #expect(try await arm(bench, store) == nil)
                #expect(
                    store.disarmedBecause == nil && store.mark?.id == challenge && store.mark?.records == 1 && store.challenge != challenge)
                let kept = try LinuxFileStore().list(bench.configuration.storeDirectory) ?? []
                #expect(kept.contains { $0.hasPrefix("records.damaged-") })
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact()))
                #expect(try Bench.report(bench.wiper(store).wipe(envelope)).ending == .cleared)
            }
        }

        @Test("a message by a stranger, for another node, key, boot or challenge, out of time, or for an armed wiper arms nothing")
        func refused() async throws {
            try await Bench.with { bench in
                #expect(try await arm(bench, try bench.openStore())?.code == .storeMismatch)
                try await damage(bench)
                let store = try bench.openStore()
                #expect(try await arm(bench, store, key: "stranger")?.code == .warrantSignature)
                let other = try #require(NodeID("other"))
                #expect(try await arm(bench, store) { $0.node = other }?.code == .warrantOtherNode)
                #expect(try await arm(bench, store) { $0.nodeKey = .zero }?.code == .warrantOtherNode)
                let boot = try #require(BootID("00000000-0000"))
                #expect(try await arm(bench, store) { $0.boot = boot }?.code == .warrantOtherNode)
                let guess = try #require(ReplayStoreID(String(repeating: "0", count: 32)))
                #expect(try await arm(bench, store) { $0.store = guess }?.code == .storeMismatch)
                #expect(try await arm(bench, store) { $0.notAfter = $0.notBefore + .seconds(1) }?.code == .warrantExpired)
                let warrant = try await bench.sign(try bench.terms(for: try bench.fact()))
                do throws(Refused) {
                    try bench.wiper(store).arm(warrant)
                    #expect(Bool(false))
                } catch {
                    #expect(error.refusal.code == .warrantMalformed)
                }
                #expect(store.disarmedBecause != nil && store.mark == nil)
            }
        }

        @Test("the same message does not arm a second time: every start and every arming names another id")
        func once() async throws {
            try await Bench.with { bench in
                try await damage(bench)
                var store: ReplayStore? = try bench.openStore()
                let text = try terms(bench, try #require(store)).text
                let envelope = try await bench.sign(text: text)
                store = nil
                let again = try bench.openStore()
                do throws(Refused) {
                    try bench.wiper(again).arm(envelope)
                    #expect(Bool(false))
                } catch {
                    #expect(error.refusal.code == .storeMismatch && error.refusal.detail.contains("another start"))
                }
            }
        }

        @Test("a record of a time that has not come yet is mended like a lost one, and no warrant for it counts afterwards")
        func recordAhead() async throws {
            try await Bench.with(armed: false) { bench in
                let disk = try await bench.disk(size: 16 << 20)
                try await bench.tool("mkfs.ext4", "-q", "-L", "precious", disk.loop)
                try ReplayStore.arm(directory: bench.configuration.storeDirectory) {
                    Moment(wall: SystemClock.now().wall + .seconds(7200), boot: 0)
                }
                let store = try bench.openStore()
                let now = SystemClock.now().wall
                let why = try #require(store.disarmed(at: now))
                #expect(why.contains("if the clock is behind, correct the clock") && why.contains("`meshgate wipe arm NODE`"))
                // A clock that is put right needs nobody's signature, and then nobody can replace the record.
                #expect(store.disarmed(at: now + .seconds(7200)) == nil && store.disarmedBecause == nil)

                let old = try await bench.sign(try bench.terms(for: try bench.fact()))
                let hash = try await bench.hash(disk)
                guard case .refused(let unsure) = bench.wiper(store).wipe(old) else { return #expect(Bool(false)) }
                #expect(unsure.code == .clockUnsure && unsure.detail.contains("begin a new record"))
                #expect(try await arm(bench, store, key: "stranger")?.code == .warrantSignature)
                let challenge = store.challenge
                #expect(try await arm(bench, store) == nil)
                #expect(store.mark?.id == challenge && store.mark?.records == 1 && store.disarmed(at: SystemClock.now().wall) == nil)
                guard case .refused(let refusal) = bench.wiper(store).wipe(old) else { return #expect(Bool(false)) }
                #expect(refusal.code == .storeMismatch)
                #expect(try await bench.hash(disk) == hash)
                let anew = try await bench.sign(try bench.terms(for: try bench.fact()))
                #expect(try Bench.report(bench.wiper(store).wipe(anew)).ending == .cleared)
                // The new one is sound: nobody begins another.
                #expect(try await arm(bench, store)?.code == .storeMismatch)
            }
        }
    }
}
