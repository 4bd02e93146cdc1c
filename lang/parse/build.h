/* The actions of the grammar: each builds one piece of the tree or fills one clause of the
 * statement at hand. */
#ifndef HEAL_LANG_PARSE_BUILD_H
#define HEAL_LANG_PARSE_BUILD_H

#include "lang/parse/build_types.h"

/* ---- expressions (build_expr.c) ---- */

struct expr *build_binary(struct parser *parser, struct span span, enum operator op,
                          struct expr *left, struct matching matching, struct expr *right);
struct expr *build_unary(struct parser *parser, struct span span, bool minus, struct expr *inner);
struct expr *build_percent_of(struct parser *parser, struct span span, struct quantity percent,
                              struct expr *inner);
struct expr *build_reaches(struct parser *parser, struct span span, struct expr *forecast,
                           struct expr *threshold, struct argument *last_condition);
struct matching build_matching(bool return_bool);
struct matching build_on(struct matching matching, bool on, struct name_list *labels);
struct matching build_group(struct parser *parser, struct matching matching, int group,
                            struct name_list *include);
struct expr *build_range(struct parser *parser, struct span span, struct expr *inner,
                         struct quantity range);
struct expr *build_subquery(struct parser *parser, struct span span, struct expr *inner,
                            struct quantity range, const struct quantity *step);
/* Forms that Prometheus has behind a flag: read, and refused by name. */
struct expr *build_form_refused(struct parser *parser, struct span span, struct expr *inner,
                                const char *what);
struct quantity build_no_time(struct span span); /* only Prometheus knows how long it is */
struct quantity build_reckoned(struct parser *parser, struct span span, struct quantity first);
struct expr *build_offset(struct parser *parser, struct span span, struct expr *inner,
                          struct quantity offset);
struct expr *build_at(struct parser *parser, struct span span, struct expr *inner,
                      enum at_kind kind, const struct quantity *at);
struct expr *build_number(struct parser *parser, struct span span, struct quantity quantity);
struct expr *build_paren(struct parser *parser, struct span span, struct expr *inner);
struct expr *build_selector(struct parser *parser, struct span span, const struct name *name,
                            struct matcher *last_matcher, bool braces);
struct expr *build_reserved(struct parser *parser, struct span span, struct name name);
struct matcher *build_matcher(struct parser *parser, struct span span, const struct name *label,
                              enum match_op op, const struct expr *value);
struct matcher *build_matcher_add(struct matcher *last, struct matcher *matcher);
struct expr *build_call(struct parser *parser, struct span span, struct name name,
                        struct argument *arguments);
/* The definition of an events() call; NULL where its arguments are not right, which the checks say.
 */
struct expr *build_events(struct parser *parser, const struct expr *call);
struct argument *build_argument(struct parser *parser, struct argument *last,
                                const struct name *name, struct expr *value);
struct expr *build_list(struct parser *parser, struct span span, struct argument *last);
struct expr *build_aggregate(struct parser *parser, struct span span, struct name name,
                             const struct grouping *grouping, struct argument *arguments);
struct name_list *build_name(struct parser *parser, struct name_list *last, struct name name);
struct quantity build_negative(struct parser *parser, struct span span, struct quantity quantity);

/* ---- statements (build_item.c, build_policy.c, build_test.c) ---- */

void build_result(struct parser *parser, struct expr *expr);
/* Adds an item and makes it the statement at hand. */
struct item *build_item(struct parser *parser, enum item_kind kind, struct span span);
/* The statement at hand is complete. */
void build_end(struct parser *parser, struct span span);
/* False, after a report, when the clause was seen before in this block. */
bool build_clause(struct parser *parser, const char *clause, struct span span);
void build_refuse(struct parser *parser, struct name name);
/* A time of heal's own clauses: needs a unit of time. */
struct quantity build_time(struct parser *parser, struct quantity quantity);

void build_edition(struct parser *parser, struct span span, struct quantity number);
void build_import(struct parser *parser, struct span span, const struct expr *path);
void build_service(struct parser *parser, struct name name);
void build_tier(struct parser *parser, struct span span, struct name tier);
void build_depends(struct parser *parser, struct span span, struct name_list *last);
void build_owner(struct parser *parser, struct span span, const struct expr *owner);
void build_pool(struct parser *parser, struct span span, struct name name,
                struct name_list *last_key, struct expr *expr, struct expr *ready);
void build_channel(struct parser *parser, struct span span, struct name name, struct name kind,
                   struct expr *argument);
struct quantity build_unit(struct parser *parser, struct name unit, const struct name *per);
void build_metric(struct parser *parser, struct span span, struct quantity unit, bool counter,
                  struct name_list *const *labels);
struct pair *build_pair(struct parser *parser, struct span span, struct name name,
                        const struct expr *value);
struct pair *build_pair_add(struct pair *last, struct pair *pair);
void build_recorded(struct parser *parser, struct span span, struct pair *labels,
                    struct quantity every, struct expr *expr);
void build_action(struct parser *parser, struct name name, struct parameter *last);
struct parameter *build_parameter(struct parser *parser, struct parameter *last, struct name name,
                                  struct name type);
void build_via(struct parser *parser, struct span span, struct name first,
               const struct name *second);
struct affect *build_affect(struct parser *parser, struct affect *last, struct name subject,
                            struct name quantity);
void build_affects(struct parser *parser, struct span span, struct affect *last,
                   const struct quantity *within);
void build_undo(struct parser *parser, struct span span, struct act_call *call);
void build_reduces(struct parser *parser, struct span span, struct name what);
void build_irreversible(struct parser *parser, struct span span);
void build_timeout(struct parser *parser, struct span span, struct quantity timeout);
void build_idempotent(struct parser *parser, struct span span);
void build_replaces(struct parser *parser, struct span span, struct name name);
void build_probe(struct parser *parser, struct span span, struct expr *expr);
void build_reads(struct parser *parser, struct span span, struct expr *expr);
void build_costs(struct parser *parser, struct span span, struct quantity costs,
                 const struct name *per);
void build_guard(struct parser *parser, struct name name);
void build_guard_limit(struct parser *parser, struct limit *limit);
struct limit *build_limit(struct parser *parser, struct span span, struct amount amount,
                          struct name subject, struct quantity per);
struct limit *build_limit_each(struct parser *parser, struct span span, struct amount amount,
                               struct name pool, struct quantity per);
struct limit *build_limit_unattended(struct parser *parser, struct span span, struct amount amount,
                                     struct name type, struct quantity per);
struct limit *build_limit_total(struct parser *parser, struct span span, struct amount amount,
                                struct quantity per);
struct limit *build_limit_domains(struct parser *parser, struct span span, struct amount amount,
                                  struct name pool, struct quantity per);
struct limit *build_not_during(struct parser *parser, struct span span, const struct expr *from,
                               const struct expr *to, const struct expr *zone,
                               const struct name *above);
struct limit *build_limit_actions(struct parser *parser, struct span span, struct amount amount,
                                  struct name type, struct quantity per);
struct limit *build_limit_between(struct parser *parser, struct span span, struct quantity low,
                                  struct quantity high, const struct name *unit, struct name type);
struct limit *build_storm(struct parser *parser, struct span span, struct amount amount,
                          struct name pool);
struct limit *build_exclusive(struct parser *parser, struct span span, struct name subject);
struct limit *build_step(struct parser *parser, struct span span, struct quantity amount,
                         struct quantity per);
/* Its unit and type are those of the `between` before it. */
struct limit *build_step_inherits(struct parser *parser, struct limit *step);
struct limit *build_step_of(struct span span, struct limit *step, struct name type);
struct limit *build_money(struct parser *parser, struct span span, struct quantity money,
                          struct quantity per);
struct limit *build_spend(struct span span, struct limit *money);
/* Money alone: one more window of the `spend` before it. */
void build_guard_money(struct parser *parser, struct limit *money);
struct limit *build_only_while(struct parser *parser, struct span span, struct expr *expr);
struct limit *build_keep(struct parser *parser, struct span span, struct amount amount,
                         struct name pool);
struct amount build_amount(struct parser *parser, struct quantity quantity);
struct amount build_amount_min(struct parser *parser, struct span span, struct name function,
                               struct amount a, struct amount b);
struct amount build_amount_word(struct parser *parser, struct name word);

void build_policy_head(struct parser *parser, struct name name);
void build_each(struct parser *parser, struct name each, struct name pool);
void build_each_series(struct parser *parser, struct span span);
void build_policy_label(struct parser *parser, struct span span, struct pair *pair);
void build_annotation(struct parser *parser, struct span span, struct pair *pair);
void build_keep_firing(struct parser *parser, struct span span, struct quantity duration);
void build_for_service(struct parser *parser, struct name service);
void build_every(struct parser *parser, struct quantity every);
void build_about(struct parser *parser, struct span span, const struct expr *text);
void build_risk(struct parser *parser, struct span span, struct name risk);
void build_impact(struct parser *parser, struct span span, struct name impact);
void build_signal(struct parser *parser, struct span span, struct name name, struct expr *expr);
struct condition build_condition(struct span span, struct expr *expr, const struct quantity *hold);
void build_when(struct parser *parser, struct span span, struct condition condition);
void build_clear(struct parser *parser, struct span span, struct condition condition);
void build_resolved(struct parser *parser, struct span span, struct condition condition);
void build_abort(struct parser *parser, struct span span, struct condition condition);
void build_settle(struct parser *parser, struct span span, struct quantity duration);
struct missing build_reaction(enum missing_kind kind, const struct name *channel);
void build_on_missing(struct parser *parser, struct span span, struct missing missing);
void build_on_stale(struct parser *parser, struct span span, struct quantity than,
                    struct missing missing);
void build_heal(struct parser *parser, struct span span, struct name_list *last_cause);
void build_heal_end(struct parser *parser, struct span span);
void build_plan(struct parser *parser, struct span span, struct name name, struct quantity effect,
                const struct name *risk);
void build_plans_end(struct parser *parser, struct span span);
void build_bound(struct parser *parser, struct limit *limit);
void build_policy_keep(struct parser *parser, struct limit *limit);
void build_policy_spend(struct parser *parser, struct limit *money);
void build_cooldown(struct parser *parser, struct span span, struct quantity cooldown,
                    const struct quantity *maximum);
void build_escalate(struct parser *parser, struct span span, struct name channel);
void build_climb(struct parser *parser, struct span span, struct name channel,
                 struct quantity after);
void build_repeat(struct parser *parser, struct quantity every);
void build_escalate_end(struct parser *parser, struct span span);
void build_unresolved(struct parser *parser, struct span span, struct quantity duration);
void build_refuse_reason(struct parser *parser, struct span span, struct name name);
void build_reason(struct parser *parser, struct span span, struct name first,
                  const struct name *second); /* second NULL: one word */
void build_reason_below(struct parser *parser, struct span span, struct name name,
                        struct quantity limit);
void build_cause(struct parser *parser, struct name name, const struct quantity *prior);
void build_cause_when(struct parser *parser, struct span span, struct expr *expr);
void build_causes_end(struct parser *parser); /* of the policy */
void build_otherwise(struct parser *parser, struct span span);
/* times.text NULL: none. Belongs to the cause before it. */
void build_evidence(struct parser *parser, struct span span, struct expr *expr,
                    struct quantity times, bool against);
void build_try(struct parser *parser, struct span span, bool then);
/* people: NULL, or the word before `of`, which is two. */
void build_approve(struct parser *parser, const struct name *people, struct name channel,
                   struct quantity within);
void build_rung(struct parser *parser, struct span span, const struct act_call *call,
                const struct condition *verify, const struct quantity *within);
void build_page(struct parser *parser, struct span span, struct name channel);
struct act_call *build_act_call(struct parser *parser, struct span span, struct name name,
                                struct argument *arguments);

void build_test(struct parser *parser, const struct expr *title, const struct quantity *length);
void build_given(struct parser *parser, enum given_kind kind, struct expr *subject);
void build_given_stream(struct parser *parser, const struct expr *path);
void build_given_is(struct parser *parser, struct expr *subject, struct quantity value);
void build_given_ramps(struct parser *parser, struct expr *subject, struct quantity from,
                       struct quantity to, struct quantity over);
void build_given_after(struct parser *parser, struct name action);
void build_given_at(struct parser *parser, struct span span, struct quantity at);
void build_given_end(struct parser *parser, struct span span);
void build_given_by(struct parser *parser, struct name who);
void build_given_delay(struct parser *parser, bool denied, const struct quantity *after);
struct quantity build_quantity(struct parser *parser, struct span span, struct quantity number,
                               struct name unit, const struct name *per);
void build_expect(struct parser *parser, struct name subject, bool no);
void build_expect_cause(struct parser *parser, struct name word, struct name cause, bool no);
void build_expect_to(struct parser *parser, struct span span, struct name channel);
void build_expect_on(struct parser *parser, struct span span, const struct expr *target);
void build_expect_before(struct parser *parser, struct span span, struct quantity before);
void build_expect_after(struct parser *parser, struct span span, struct quantity after);
void build_expect_times(struct parser *parser, struct span span, struct quantity times);
void build_expect_end(struct parser *parser, struct span span);

#endif
