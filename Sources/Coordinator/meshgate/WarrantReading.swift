// SPDX-License-Identifier: Apache-2.0

import MeshModel
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
}
