//! The table of attacks: what a member does wrong in a ceremony, and the expected outcome.

use crate::double::member::Certify::{Another, Early, ForAnother, Late, Never};
use crate::double::member::Round::{Deal, First, Sum, Verdict};
use crate::double::member::To::{All, One};
use crate::double::member::{Attack, Ceremony, Certify, Slip};

/// The expected outcome of an attack that has an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The ceremony succeeds with the attacker.
    Nothing,
    /// The ceremony succeeds too, but the log rejects a statement of the attacker for this reason.
    /// "…" stands for any name.
    Refusal(&'static str),
    /// The log proves that the attacker did this. "…" stands for any name. The log names it as a
    /// culprit, and the others continue without it.
    Blame(&'static str),
    /// The attacker's own signed statements contradict the log. The log names it as a dissenter,
    /// and the others continue without it.
    Dissent,
    /// The attacker seems absent: sessions wait for it and time out, and nobody is blamed.
    Absence,
    /// The attacker has a share, and the others sign without it.
    Spare,
}

/// The part that the attacker has in a ceremony.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// Any member, in groups of all sizes.
    Member,
    /// A holder of a share that deals in a reshare, whether it stays or leaves.
    Dealer,
    /// A dealer that also receives a share.
    StayingDealer,
    /// A member that receives a share, whether it joins or stays.
    Recipient,
    /// A helper in a repair, whether it is needed or not.
    Helper,
    /// A helper without which the repair is impossible.
    NeededHelper,
    /// A helper besides enough others.
    SpareHelper,
}

/// A line of the table. It is one test of `testkit/tests/malicious`.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub test: &'static str,
    pub attack: Attack,
    pub who: Who,
    pub outcome: Outcome,
    pub does: &'static str,
}

macro_rules! rows {
    ($($module:ident: $ceremony:ident {
        $($test:ident: $slip:ident $(($kind:ident))? by $who:ident
            => $outcome:ident $(($text:literal))?, $does:literal;)*
    })*) => {
        /// All attacks, in the order of the ceremonies.
        pub const ATTACKS: &[Row] = &[$($(
            Row {
                test: concat!(stringify!($module), "::", stringify!($test)),
                attack: Attack {
                    ceremony: Ceremony::$ceremony,
                    slip: Slip::$slip $(($kind))?,
                },
                who: Who::$who,
                outcome: Outcome::$outcome $(($text))?,
                does: $does,
            },
        )*)*];
    };
}

const TWICE: Certify = Certify::Twice;

/// Passes the table to a macro. The tests make a test of each row.
#[macro_export]
macro_rules! attacks {
    ($rows:ident) => {
        $rows! {
dkg: Dkg {
    by_the_book_makes_a_key: ByTheBook by Member => Spare,
        "keeps to the protocol with the double's own code, which shows that the other attacks do not fail by accident";
    a_garbage_commitment_is_blamed: Garbage by Member => Blame("sent a malformed message"),
        "sends three bytes that are not a message as its commitment";
    a_higher_degree_is_blamed: HigherDegree by Member => Blame("committed to"),
        "deals a polynomial with one coefficient more than agreed";
    a_lower_degree_is_blamed: LowerDegree by Member => Blame("committed to"),
        "deals a polynomial with one coefficient less than agreed, so that fewer members could sign";
    another_dealing_than_committed_is_blamed: OtherDealing by Member => Blame("revealed something else"),
        "reveals a different dealing, consistent in itself, than the one whose hash it published";
    a_bad_proof_of_knowledge_is_blamed: WrongProof by Member => Blame("sent an invalid proof of knowledge"),
        "does not prove that it knows its constant term";
    a_copied_commitment_is_blamed: CopiedCommitment by Member => Blame("revealed something else"),
        "publishes the hash of another member as its own, and then that member's dealing and proof";
    a_replay_of_anothers_proof_is_blamed: ReplayedProof by Member => Blame("sent an invalid proof of knowledge"),
        "makes a session fail after everyone revealed, and in the next session commits to and deals what another member dealt, with that member's proof";
    a_rogue_key_is_blamed: RogueKey by Member => Blame("revealed something else"),
        "reveals last, with a constant term that cancels the others', so that the key would be its own";
    a_wrong_sub_share_to_one_is_blamed: WrongPart(One) by Member => Blame("sent a wrong sub-share"),
        "sends one member a sub-share that is not on its polynomial";
    wrong_sub_shares_to_all_are_blamed: WrongPart(All) by Member => Blame("sent a wrong sub-share"),
        "sends all members sub-shares that are not on its polynomial";
    an_undecryptable_sub_share_is_blamed: GarbagePart by Member => Blame("sent a wrong sub-share"),
        "sends one member a sub-share that cannot be decrypted";
    a_false_complaint_is_blamed: FalseComplaint by Member => Blame("complained about 1 without a reason"),
        "complains about a correct sub-share, and opens it as a complaint must";
    a_complaint_with_a_forged_proof_is_blamed: ForgedComplaint by Member => Blame("complained about 1 with an invalid proof"),
        "complains with a shared point that it did not prove: opened with it, the sub-share looks wrong";
    two_commitments_are_blamed: Twice(First) by Member => Blame("sent two different messages"),
        "publishes two commitments; it cannot send them to different members, because there is one log";
    two_reveals_are_blamed: Twice(Deal) by Member => Blame("sent two different messages"),
        "reveals twice, with different sub-shares";
    silence_in_round_1_blames_nobody: Silent(First) by Member => Absence,
        "sends nothing in round 1";
    silence_in_round_2_blames_nobody: Silent(Deal) by Member => Absence,
        "sends nothing in round 2, when it may be the first to know the key";
    silence_in_round_3_blames_nobody: Silent(Verdict) by Member => Absence,
        "sends nothing in round 3, when it knows the key that would result";
    a_commitment_for_another_session_counts_as_silence: OtherSession by Member => Absence,
        "commits in the name of another session, as of another group or log, to which somebody gave the same id";
    a_reveal_for_another_log_counts_as_silence: OtherView by Member => Absence,
        "reveals as if the log contained different commitments, so that nothing in its message can be held against it";
    messages_of_the_last_session_count_as_silence: LastSessionsMessages by Member => Absence,
        "repeats its messages of the session before";
    messages_of_an_earlier_process_count_as_silence: EarlierProcess by Member => Absence,
        "sends messages that name an earlier process of its node";
    a_node_that_restarts_forever_is_left_out: RestartForever by Member => Absence,
        "announces a restart in the middle of each session";
    a_withheld_certification_blames_nobody: Certify(Never) by Member => Absence,
        "never certifies the key, although it has its share";
    a_certification_of_another_key_is_dissent: Certify(Another) by Member => Dissent,
        "certifies a key that the messages do not give";
    a_second_certification_has_no_effect: Certify(TWICE) by Member => Nothing,
        "certifies the key and then another one, and everyone sees both";
    a_late_certification_has_no_effect: Certify(Late) by Member => Absence,
        "certifies after the session was abandoned";
}
reshare: Reshare {
    a_dealer_by_the_book_changes_the_group: ByTheBook by Dealer => Nothing,
        "keeps to the protocol with the double's own code";
    a_recipient_by_the_book_joins: ByTheBook by Recipient => Nothing,
        "keeps to the protocol with the double's own code";
    a_garbage_announcement_is_blamed: Garbage by Recipient => Blame("sent a malformed message"),
        "sends three bytes that are not a message as its announcement";
    two_announcements_are_blamed: Twice(First) by Recipient => Blame("sent two different messages"),
        "announces two encryption keys";
    silence_in_round_1_blames_nobody: Silent(First) by Recipient => Absence,
        "sends nothing in round 1";
    a_higher_degree_is_blamed: HigherDegree by Dealer => Blame("committed to"),
        "deals a polynomial with one coefficient more than agreed";
    a_lower_degree_is_blamed: LowerDegree by Dealer => Blame("committed to"),
        "deals a polynomial with one coefficient less than agreed";
    another_value_than_its_share_is_blamed: OtherShare by Dealer => Blame("dealt another value than its share"),
        "deals a random value instead of its share, and proves that it knows the value";
    a_share_of_an_older_epoch_is_blamed: OlderShare by Dealer => Blame("dealt another value than its share"),
        "deals the share that it had in the epoch before";
    a_bad_proof_of_knowledge_is_blamed: WrongProof by Dealer => Blame("sent an invalid proof of knowledge"),
        "does not prove that it knows its share";
    a_copied_dealing_is_blamed: AnothersDealing by StayingDealer => Blame("dealt another value than its share"),
        "repeats the dealing of another dealer";
    a_copied_ephemeral_key_is_blamed: AnothersEphemeralKey by Dealer => Blame("sent an invalid proof of knowledge"),
        "deals under another dealer's ephemeral key, with sub-shares that nobody can decrypt: complaints about it would open what the other dealer sealed, and enough of them its share";
    a_wrong_sub_share_to_one_is_blamed: WrongPart(One) by Dealer => Blame("sent a wrong sub-share"),
        "sends one member a sub-share that is not on its polynomial";
    wrong_sub_shares_to_all_are_blamed: WrongPart(All) by Dealer => Blame("sent a wrong sub-share"),
        "sends all members sub-shares that are not on its polynomial";
    an_undecryptable_sub_share_is_blamed: GarbagePart by Dealer => Blame("sent a wrong sub-share"),
        "sends one member a sub-share that cannot be decrypted";
    a_zero_share_for_another_is_blamed: ZeroShareOfAnother by Dealer => Blame("sent a wrong sub-share"),
        "deals last, and so that an honest member's share would be zero";
    a_zero_share_for_itself_is_blamed: ZeroShareOfItself by StayingDealer => Blame("approved of a share of zero"),
        "deals last, and so that its own share would be zero; all its sub-shares are correct";
    cancelled_coefficients_are_blamed: CancelledDegree by Dealer => Blame("sent a wrong sub-share"),
        "deals last, and so that the new key would have a polynomial of a lower degree";
    two_dealings_are_blamed: Twice(Deal) by Dealer => Blame("sent two different messages"),
        "deals twice, with different sub-shares";
    silence_in_round_2_blames_nobody: Silent(Deal) by Dealer => Absence,
        "does not deal";
    an_announcement_for_another_session_counts_as_silence: OtherSession by StayingDealer => Absence,
        "announces its encryption key in the name of another session to which somebody gave the same id";
    a_dealing_for_another_log_counts_as_silence: OtherView by Dealer => Absence,
        "deals as if the log contained different announcements";
    messages_of_the_last_session_count_as_silence: LastSessionsMessages by StayingDealer => Absence,
        "makes a session fail, and repeats its messages of that session in the next";
    a_false_complaint_is_blamed: FalseComplaint by Recipient => Blame("complained about … without a reason"),
        "complains about a correct sub-share, and opens it as a complaint must";
    a_complaint_with_a_forged_proof_is_blamed: ForgedComplaint by Recipient => Blame("complained about … with an invalid proof"),
        "complains with a shared point that it did not prove";
    a_complaint_about_no_dealer_is_blamed: ComplaintAboutNobody by Recipient => Blame("sent a malformed message"),
        "complains about a member that is not a dealer";
    silence_in_round_3_blames_nobody: Silent(Verdict) by Recipient => Absence,
        "sends nothing in round 3, when it holds its share";
    messages_of_an_earlier_process_count_as_silence: EarlierProcess by Recipient => Absence,
        "sends messages that name an earlier process of its node";
    a_node_that_restarts_forever_is_left_out: RestartForever by Recipient => Absence,
        "announces a restart in the middle of each session";
    a_withheld_certification_blames_nobody: Certify(Never) by Recipient => Absence,
        "never certifies";
    a_certification_of_other_shares_is_dissent: Certify(Another) by Recipient => Dissent,
        "certifies shares that the messages do not give";
    a_second_certification_has_no_effect: Certify(TWICE) by Recipient => Nothing,
        "certifies, and then certifies something else";
    a_late_certification_has_no_effect: Certify(Late) by Recipient => Absence,
        "certifies after the session was abandoned";
    the_others_activate_without_a_member_that_refuses: RefuseActivation by Recipient => Nothing,
        "does not sign the activation of the new shares";
}
repair: Repair {
    a_helper_by_the_book_repairs_the_share: ByTheBook by Helper => Nothing,
        "keeps to the protocol with the double's own code";
    a_recipient_by_the_book_gets_its_share: ByTheBook by Recipient => Nothing,
        "keeps to the protocol with the double's own code";
    a_helpers_garbage_announcement_is_blamed: Garbage by Helper => Blame("sent a malformed message"),
        "sends three bytes that are not a message as its announcement";
    a_recipients_garbage_announcement_is_blamed: Garbage by Recipient => Blame("sent a malformed message"),
        "sends three bytes that are not a message as its announcement";
    an_identity_key_of_a_helper_is_blamed: IdentityAsKey by Helper => Blame("sent an invalid encryption key"),
        "announces the identity as its encryption key, with which everyone could read what is sealed to it";
    an_identity_key_of_the_recipient_is_blamed: IdentityAsKey by Recipient => Blame("sent an invalid encryption key"),
        "announces the identity as its encryption key";
    a_helper_with_a_copied_key_is_blamed_for_its_sum: AnothersEncryptionKey by Helper => Blame("sent a wrong sum"),
        "announces the encryption key of another member, cannot open anything, and guesses";
    a_recipient_with_a_copied_key_can_prove_nothing: AnothersEncryptionKey by Recipient => Blame("complained about … with an invalid proof"),
        "announces the encryption key of another member, cannot open anything, and complains";
    two_announcements_of_a_helper_are_blamed: Twice(First) by Helper => Blame("sent two different messages"),
        "announces two encryption keys";
    two_announcements_of_the_recipient_are_blamed: Twice(First) by Recipient => Blame("sent two different messages"),
        "announces two encryption keys";
    silence_of_a_needed_helper_blames_nobody: Silent(First) by NeededHelper => Absence,
        "sends nothing in round 1";
    silence_of_a_spare_helper_is_not_noticed: Silent(First) by SpareHelper => Nothing,
        "sends nothing in round 1";
    silence_of_the_recipient_blames_nobody: Silent(First) by Recipient => Absence,
        "sends nothing in round 1";
    another_value_than_its_share_is_blamed: OtherShare by Helper => Blame("split another value than its share"),
        "splits a random value instead of its share";
    the_weight_for_another_share_is_blamed: OtherWeight by Helper => Blame("split another value than its share"),
        "splits its share with the weight for a share other than the lost one";
    a_summand_of_zero_is_blamed: ZeroSummand by Helper => Blame("committed to a summand with an invalid point"),
        "commits to a summand of zero";
    commitments_outside_the_group_are_blamed: Torsion by Helper => Blame("sent a wrong summand"),
        "sends commitments that add up, two of which are outside the prime-order group";
    a_bad_proof_of_possession_is_blamed: WrongProof by Helper => Blame("sent an invalid proof of knowledge"),
        "does not prove that it knows the secret of its ephemeral key";
    an_identity_as_ephemeral_key_is_blamed: IdentityAsEphemeralKey by Helper => Blame("sent an invalid encryption key"),
        "seals under the identity as its ephemeral key, so that everyone could read it";
    a_copied_ephemeral_key_is_blamed: AnothersEphemeralKey by Helper => Blame("sent an invalid proof of knowledge"),
        "deals under another helper's ephemeral key: complaints about it would open what the other helper sealed";
    a_copied_dealing_is_blamed: AnothersDealing by Helper => Blame("sent an invalid proof of knowledge"),
        "repeats the dealing of another helper";
    a_wrong_summand_to_one_is_blamed: WrongPart(One) by Helper => Blame("sent a wrong summand"),
        "sends one helper a summand that it did not commit to";
    wrong_summands_to_all_are_blamed: WrongPart(All) by Helper => Blame("sent a wrong summand"),
        "sends all helpers summands that it did not commit to";
    an_undecryptable_summand_is_blamed: GarbagePart by Helper => Blame("sent a wrong summand"),
        "sends one helper a summand that cannot be decrypted";
    two_dealings_are_blamed: Twice(Deal) by Helper => Blame("sent two different messages"),
        "deals twice, with different summands";
    silence_in_round_2_blames_nobody: Silent(Deal) by Helper => Absence,
        "does not deal";
    messages_of_the_last_session_count_as_silence: LastSessionsMessages by Helper => Absence,
        "makes a session fail, and repeats its messages of that session in the next";
    a_wrong_sum_is_blamed: WrongSum by Helper => Blame("sent a wrong sum"),
        "seals a sum other than that of the summands that it received";
    an_undecryptable_sum_is_blamed: GarbageSum by Helper => Blame("sent a wrong sum"),
        "sends a sum that the recipient cannot decrypt";
    a_copied_sum_is_blamed: AnothersSum by Helper => Blame("sent a wrong sum"),
        "sends the sum that another helper sealed";
    two_sums_are_blamed: Twice(Sum) by Helper => Blame("sent two different messages"),
        "sends two sums";
    silence_in_round_3_blames_nobody: Silent(Sum) by Helper => Absence,
        "sends no sum";
    an_announcement_for_another_session_counts_as_silence: OtherSession by Recipient => Absence,
        "announces its encryption key in the name of another session to which somebody gave the same id";
    a_sum_for_another_log_counts_as_silence: OtherViewInSum by Helper => Absence,
        "sends its sum as if the log contained different dealings";
    a_dealing_for_another_log_counts_as_silence: OtherView by Helper => Absence,
        "deals as if the log contained different announcements";
    a_verdict_for_another_log_counts_as_silence: OtherView by Recipient => Absence,
        "approves as if the log contained different sums";
    a_false_complaint_about_a_summand_is_blamed: FalseComplaint by Helper => Blame("complained about … without a reason"),
        "complains about a correct summand, and opens it as a complaint must";
    a_false_complaint_about_a_sum_is_blamed: FalseComplaint by Recipient => Blame("complained about … without a reason"),
        "complains about a correct sum, and opens it as a complaint must";
    a_forged_complaint_about_a_summand_is_blamed: ForgedComplaint by Helper => Blame("complained about … with an invalid proof"),
        "complains about a summand with a shared point that it did not prove";
    a_forged_complaint_about_a_sum_is_blamed: ForgedComplaint by Recipient => Blame("complained about … with an invalid proof"),
        "complains about a sum with a shared point that it did not prove";
    a_helpers_complaint_about_nobody_is_blamed: ComplaintAboutNobody by Helper => Blame("sent a malformed message"),
        "complains about a member that is not a helper";
    a_recipients_complaint_about_nobody_is_blamed: ComplaintAboutNobody by Recipient => Blame("sent a malformed message"),
        "complains about a member that is not a helper";
    a_helpers_complaint_about_itself_is_blamed: ComplaintAboutItself by Helper => Blame("sent a malformed message"),
        "complains about itself";
    a_recipients_complaint_about_itself_is_blamed: ComplaintAboutItself by Recipient => Blame("sent a malformed message"),
        "complains about itself";
    a_verdict_of_a_helper_has_no_effect: AnothersRound by Helper => Refusal("the message does not fit the protocol at this point"),
        "sends a verdict, which only the recipient may send";
    a_dealing_of_the_recipient_has_no_effect: AnothersRound by Recipient => Refusal("the message does not fit the protocol at this point"),
        "sends a dealing, which only helpers may send";
    a_complaint_after_the_approval_has_no_effect: Twice(Verdict) by Recipient => Refusal("the message does not fit the protocol at this point"),
        "approves, and then complains";
    silence_in_round_4_blames_nobody: Silent(Verdict) by Recipient => Absence,
        "sends nothing in round 4, when it holds its share";
    an_earlier_process_of_a_needed_helper_is_silence: EarlierProcess by NeededHelper => Absence,
        "sends messages that name an earlier process of its node";
    an_earlier_process_of_a_spare_helper_has_no_effect: EarlierProcess by SpareHelper => Refusal("the message comes from an earlier process of this node"),
        "sends messages that name an earlier process of its node";
    an_earlier_process_of_the_recipient_is_silence: EarlierProcess by Recipient => Absence,
        "sends messages that name an earlier process of its node";
    a_helper_that_restarts_forever_is_left_out: RestartForever by Helper => Absence,
        "announces a restart in the middle of each session";
    a_recipient_that_restarts_forever_gets_no_share: RestartForever by Recipient => Absence,
        "announces a restart in the middle of each session";
    a_helpers_certification_has_no_effect: Certify(ForAnother) by Helper => Refusal("user account … not authorized: it is not a member of group \"board\""),
        "certifies the share of the recipient";
    a_withheld_certification_blames_nobody: Certify(Never) by Recipient => Absence,
        "never certifies";
    an_early_certification_has_no_effect: Certify(Early) by Recipient => Refusal("the session is not at this step"),
        "certifies before there is a result";
    a_certification_of_another_share_is_dissent: Certify(Another) by Recipient => Dissent,
        "certifies a share that the messages do not give";
    a_second_certification_has_no_effect: Certify(TWICE) by Recipient => Refusal("this session is over or was never started"),
        "certifies, and then certifies something else";
    a_late_certification_has_no_effect: Certify(Late) by Recipient => Absence,
        "certifies after the session was abandoned";
}
signing: Signing {
    withheld_commitments_stop_nobody: Silence by Member => Spare,
        "sends no commitments when it is selected";
    a_withheld_share_stops_nobody: Stall by Member => Spare,
        "sends commitments, and then no signature share";
    declining_forever_stops_nobody: Decline by Member => Spare,
        "declines each session";
    hanging_up_when_selected_stops_nobody: HangUp by Member => Spare,
        "drops its connection whenever it is selected, and connects again";
    a_wrong_share_stops_nobody: WrongShare by Member => Spare,
        "sends wrong signature shares";
    a_share_that_is_no_scalar_stops_nobody: NoScalar by Member => Spare,
        "sends signature shares that are not scalars";
    a_share_signed_by_another_key_stops_nobody: SignedByNobody by Member => Spare,
        "sends signature shares in an envelope that a key other than its own signed";
    a_share_of_another_message_stops_nobody: ShareOfOtherMessage by Member => Spare,
        "sends valid signature shares of another message";
    a_share_of_another_session_stops_nobody: ShareOfOtherSession by Member => Spare,
        "sends the signature share that it made in the session before";
    replayed_shares_have_no_effect: ReplayedShares by Member => Nothing,
        "sends each signature share three times, and all earlier ones again";
    commitments_of_another_session_stop_nobody: ReplayedCommitments by Member => Spare,
        "sends the commitments that it sent in the session before, in the same envelope";
    reused_commitments_harm_only_their_signer: ReusedCommitments by Member => Nothing,
        "uses one pair of nonces in all sessions, which reveals its own share of the key";
    two_commitments_in_one_session_have_no_effect: TwoCommitments by Member => Nothing,
        "sends two pairs of commitments in one session";
    a_share_of_a_stale_epoch_stops_nobody: StaleShare by Member => Spare,
        "signs with a share from a session that did not make the group's key";
}
log: Log {
    a_forged_approval_approves_nothing: ForgedApproval by Member => Nothing,
        "approves in the names of others, signed with its own key";
    a_moved_approval_approves_nothing: MovedApproval by Member => Nothing,
        "turns the others' approvals of one request into approvals of another one";
    a_forged_refusal_rejects_nothing: ForgedRefusal by Member => Nothing,
        "rejects in the names of others";
    an_approval_of_no_request_approves_nothing: ApprovalOfNothing by Member => Nothing,
        "approves requests that do not exist";
    messages_of_unknown_sessions_have_no_effect: UnknownSessions by Member => Nothing,
        "sends messages of sessions that do not exist or that it was not invited to";
    oversized_messages_stop_nobody: Oversized by Member => Nothing,
        "sends entries and frames that are longer than allowed";
    a_flood_of_messages_stops_nobody: Flood by Member => Nothing,
        "sends as much as it can, both of everything that is allowed and of garbage";
}
        }
    };
}

attacks!(rows);
