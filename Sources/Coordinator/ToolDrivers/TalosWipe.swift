// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import MeshSystem
package import MeshTrust
package import Planning
package import Running

/// Wipes a disk through Talos' own API, where no agent of ours is on the machine. Talos takes a name and nothing else, so everything that
/// ties the name to the disk is looked at right before and right after; that it was the same disk in between nobody can know.
///
///     warrant judged here -> disk found by identity, same boot -> `wipe disk NAME --method ZEROES` -> same disk, same boot
///
/// The proof that it is blank is not Talos' word but the hypervisor's look into the volume, which the step's own requirements ask for.
package struct TalosWipe: Sendable {
    private let tools: Toolbox
    private let store: ReplayStoreID?
    private let signers: @Sendable () throws -> AllowedSigners

    /// `signers`: who may sign warrants for machines that cannot judge them; the coordinator's own file. `store`: under what name the journal
    /// keeps their spent warrants; a warrant for another coordinator's is none of ours.
    package init(tools: Toolbox, store: ReplayStoreID?, signers: @escaping @Sendable () throws -> AllowedSigners) {
        self.tools = tools
        self.store = store
        self.signers = signers
    }

    /// What Talos' API cannot tell, for the account of the step.
    static let unknown =
        "Talos' API cannot tell who else has the disk open, which instance it is, or what it reads as; the hypervisor's look is the proof"

    package func carryOut(_ step: Step, plan: Plan, envelope: WarrantEnvelope) async -> Outcome {
        do {
            guard case .wipe(let name, _, .zero, .talosAPI) = step.action else {
                return .refused("\(step.id) is no wipe by method zero through Talos' API")
            }
            guard let (cluster, node) = plan.spec.members.first(where: { $0.node.name == name }), cluster.kind == .talos else {
                return .refused("\(name) is no Talos machine of the plan")
            }
            let terms: WarrantTerms
            do throws(WarrantRefusal) {
                terms = try WarrantVerifier.verify(envelope, signers: try allowed(), now: tools.now().wall).terms
            } catch {
                return .refused("the warrant does not count: \(error)")
            }
            guard terms.mesh == plan.spec.name, terms.plan == plan.digest, terms.step == step.id, terms.node == name, terms.method == .zero
            else { return .refused("the warrant is for \(terms.step) of \(terms.node)") }
            guard terms.nodeKey == .zero else { return .refused("the warrant is for a machine with an agent, and \(name) has none") }
            guard let store, terms.store.id == store else {
                return .refused(
                    "the warrant is for the replay store \(terms.store.id), and this coordinator keeps \(store?.text ?? "none"); request and sign "
                        + "a new one here")
            }
            return try await wipe(terms, TalosDisks(tools: tools, cluster: cluster, node: node), deadline: step.deadline.duration)
        } catch {
            return .refused("\(error)")
        }
    }

    private func allowed() throws(WarrantRefusal) -> AllowedSigners {
        do {
            return try signers()
        } catch {
            throw .nobodyMaySign
        }
    }

    private func wipe(_ terms: WarrantTerms, _ disks: TalosDisks, deadline: Duration) async throws -> Outcome {
        let device: String
        switch try await find(terms, disks) {
        case .success(let found): device = found
        case .failure(let problem): return .refused(problem.words)
        }
        do {
            let ended = try await disks.talosctl("wipe", "disk", device, "--method", "ZEROES", deadline: deadline)
            guard ended.succeeded else {
                // It validates before it begins, but its exit code does not say which of the two it came to.
                return .failed("talosctl wipe disk \(device) ended with \(ended.exit): \(ended.errorText.suffix(400))")
            }
        } catch {
            return .failed("talosctl wipe disk \(device) did not end: \(error); look at the disk before anything else")
        }
        switch try? await find(terms, disks) {
        case .success(device)?: break
        case .success(let other)?:
            return .failed(
                "\(terms.disk.serial ?? "the disk") was \(device) before the wipe and is \(other) after it: another disk may be wiped")
        case .failure(let problem)?: return .failed("after the wipe of \(device): \(problem.words); another disk may be wiped")
        case nil: return .failed("after the wipe of \(device) the machine did not say which disk it was; look at it before anything else")
        }
        return .succeeded("\(device) (serial \(terms.disk.serial ?? "none")) zeroed by Talos. \(Self.unknown)")
    }

    struct Problem: Error { let words: String }

    /// The name that the disk of the warrant has now.
    private func find(_ terms: WarrantTerms, _ disks: TalosDisks) async throws -> Result<String, Problem> {
        let boot = try await disks.bootID()
        guard boot == terms.boot else {
            return .failure(Problem(words: "the warrant was made for boot \(terms.boot), \(terms.node) runs boot \(boot)"))
        }
        let all = try await disks.disks()
        let named = all.filter { $0.fact.identity.serial == terms.disk.serial }
        guard named.count == 1, let seen = named.first, terms.disk.serial != nil else {
            return .failure(Problem(words: "\(named.count) disks of \(terms.node) have the serial \(terms.disk.serial ?? "(none)")"))
        }
        guard seen.fact.identity == terms.disk else {
            return .failure(
                Problem(words: "\(seen.device) of \(terms.node) is not the disk that the warrant describes; take a new inventory"))
        }
        guard !seen.fact.readOnly, seen.fact.users.isEmpty else {
            return .failure(
                Problem(
                    words:
                        "\(seen.device) of \(terms.node) is \(seen.fact.readOnly ? "read-only" : seen.fact.users.joined(separator: ", "))"))
        }
        return .success(seen.device)
    }
}
