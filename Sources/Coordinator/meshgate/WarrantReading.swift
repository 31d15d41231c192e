// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI

/// What is about to be signed, read by the signer's own program. A coordinator that shows one disk and asks a signature for another must not
/// get it: the text is what counts on the host.
enum WarrantReading {
    static func terms(_ text: String, shownAs wipe: WipeReply) throws -> WarrantTerms {
        let terms: WarrantTerms
        do {
            terms = try WarrantTerms(parsing: text)
        } catch {
            throw Failure(.no, "the coordinator's warrant text is not in the right form (\(error)); nothing was signed")
        }
        guard terms.step == wipe.step, terms.node == wipe.node, terms.method == wipe.method, terms.verification == wipe.verification,
            terms.disk == wipe.disk?.identity, terms.fingerprint == wipe.disk?.fingerprint,
            terms.holds == wipe.disk.map({ WarrantTerms.holds($0.signatures) }), wipe.disk?.unreadable == nil,
            wipe.disk?.blank == false || terms.holds.isEmpty
        else {
            throw Failure(
                .no,
                "the warrant text names \(terms.step), disk \(terms.disk.serial ?? "without serial") of \(terms.node), and not the disk that is shown; "
                    + "nothing was signed. Do not trust this coordinator until you know why")
        }
        return terms
    }

    /// The text of a wipe's warrant, once it was read and names what is shown.
    static func text(of wipe: WipeReply) throws -> String {
        guard let text = wipe.warrant else {
            throw Failure(.no, "no warrant can be written yet for \(wipe.step): \(wipe.missing.joined(separator: "; "))")
        }
        _ = try terms(text, shownAs: wipe)
        return text
    }

    /// The same for a step that destroys otherwise.
    static func text(of loss: LossReply) throws -> String {
        guard let text = loss.warrant else {
            throw Failure(.no, "what \(loss.step) would destroy is not known yet: \(loss.obstacles.first?.detail ?? loss.state)")
        }
        _ = try terms(text, shownAs: loss)
        return text
    }

    static func terms(_ text: String, shownAs loss: LossReply) throws -> TeardownTerms {
        let terms: TeardownTerms
        do {
            terms = try TeardownTerms(parsing: text)
        } catch {
            throw Failure(.no, "the coordinator's text for \(loss.step) is not a teardown warrant (\(error)); nothing was signed")
        }
        guard terms.step == loss.step, terms.destroys == TeardownTerms.losses(loss.destroys), try covers(terms, loss) else {
            throw Failure(
                .no,
                "the coordinator's text for \(loss.step) says something else than it shows; nothing was signed. Do not trust this coordinator "
                    + "until you know why")
        }
        return terms
    }

    /// Whether the digest that is signed is that of the whole list that is shown.
    private static func covers(_ terms: TeardownTerms, _ loss: LossReply) throws -> Bool {
        guard let signed = terms.objects else { return loss.objects == nil }
        guard loss.destroys.count <= TerraformLosses.mostObjects else {
            throw Failure(
                .no,
                "\(loss.step) would destroy more than \(TerraformLosses.mostObjects) objects, too many to be shown; "
                    + "nothing was signed. Destroy a part of them with terraform first")
        }
        return TerraformLosses(loss.destroys, digester: sha256)?.digest == signed
    }

    /// The text that arms the wiper of this node and no other.
    static func arming(_ text: String, for node: NodeID) throws -> ArmingTerms {
        guard let terms = try? ArmingTerms(parsing: text), terms.node == node else {
            throw Failure(.no, "the coordinator's text does not arm \(node); nothing was signed. Do not trust it until you know why")
        }
        return terms
    }
}
