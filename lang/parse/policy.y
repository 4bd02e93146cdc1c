/* The rules of policies and of PromQL. Every action is one call of build.h. */
%require "3.8"
%define api.prefix {policy_yy}
%define api.pure full
%define api.location.type {struct span}
%define api.token.prefix {}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {struct parser *parser}

%code requires {
#include "lang/parse/build_types.h"
}
%code {
#include "lang/parse/build.h"
#include "lang/parse/token.h"

#define YYLLOC_DEFAULT(Current, Rhs, N)                                                          \
    ((Current) = (N) ? (struct span){YYRHSLOC(Rhs, 1).start, YYRHSLOC(Rhs, N).end}               \
                     : (struct span){YYRHSLOC(Rhs, 0).end, YYRHSLOC(Rhs, 0).end})
#define P        parser
#define YYMAXDEPTH POLICY_STACK_MAX
static void yyerror(const struct span *span, struct parser *parser, const char *words);
}

%union {
    struct name name;
    struct name_list *names;
    struct quantity quantity;
    struct amount amount;
    struct expr *expr;
    struct matcher *matcher;
    struct matching matching;
    struct argument *argument;
    struct act_call *call;
    struct condition condition;
    struct missing missing;
    struct limit *limit;
    struct parameter *parameter;
    struct affect *affect;
    struct pair *pair;
    struct grouping grouping;
    enum match_op match_op;
    enum operator op;
    bool flag;
    int number;
}

%token POLICY_FILE POLICY_EXPRESSION
%token <name> POLICY_IDENT "a name" POLICY_METRIC "a metric name" POLICY_NAMED "a named argument"
%token <name> POLICY_AGGREGATE "an aggregation"
%token <expr> POLICY_STRING "a string"
%token <quantity> POLICY_NUMBER "a number" POLICY_PERCENT "a percentage" POLICY_DURATION "a duration"
%token <quantity> POLICY_QUANTITY "a quantity"
%token POLICY_EQ "==" POLICY_NE "!=" POLICY_RE "=~" POLICY_NRE "!~" POLICY_LE "<=" POLICY_GE ">=" POLICY_TRIM "</"
%token POLICY_ARROW "->" POLICY_DOTS ".."

%token <name> K_EDITION "edition" K_IMPORT "import" K_SERVICE "service" K_POOL "pool"
%token <name> K_CHANNEL "channel" K_METRIC "metric" K_ACTION "action" K_GUARD "guard"
%token <name> K_POLICY "policy" K_TEST "test" K_TIER "tier" K_DEPENDS "depends" K_OWNER "owner"
%token <name> K_READY "ready" K_DOMAIN "domain" K_COUNTER "counter" K_VIA "via"
%token <name> K_AFFECTS "affects" K_WITHIN "within" K_UNDO "undo" K_IRREVERSIBLE "irreversible"
%token <name> K_TIMEOUT "timeout" K_IDEMPOTENT "idempotent" K_REPLACES "replaces" K_PROBE "probe"
%token <name> K_AT "at" K_MOST "most" K_LEAST "least" K_ACTIONS "actions" K_ANY "any" K_PER "per"
%token <name> K_OF "of" K_BETWEEN "between" K_KEEP "keep" K_NOT "not" K_STEP "step"
%token <name> K_FOR "for" K_EACH "each" K_IN "in" K_EVERY "every" K_ABOUT "about" K_RISK "risk"
%token <name> K_IMPACT "impact" K_SIGNAL "signal" K_WHEN "when" K_CLEAR "clear"
%token <name> K_MISSING "missing" K_STALE "stale" K_HOLD "hold" K_NOTIFY "notify" K_AS "as"
%token <name> K_PROMETHEUS "prometheus" K_HEAL "heal" K_TRY "try" K_APPROVE "approve"
%token <name> K_RESOLVED "resolved" K_ABORT "abort" K_SETTLE "settle"
%token <name> K_PLAN "plan" K_EFFECT "effect"
%token <name> K_STORM "storm" K_ABOVE "above" K_EXCLUSIVE "exclusive"
%token <name> K_REDUCES "reduces" K_UNATTENDED "unattended" K_DOMAINS "domains" K_DURING "during"
%token <name> K_READS "reads" K_COSTS "costs" K_SPEND "spend" K_ONLY "only" K_WHILE "while"
%token <name> K_CAUSE "cause" K_PRIOR "prior" K_OTHERWISE "otherwise" K_EVIDENCE "evidence" K_AGAINST "against"
%token <name> K_VERIFY "verify" K_HOLDS "holds" K_THEN "then" K_ELSE "else" K_PAGE "page"
%token <name> K_BOUND "bound" K_COOLDOWN "cooldown" K_DOUBLING "doubling" K_TO "to"
%token <name> K_ESCALATE "escalate" K_UNRESOLVED "unresolved" K_REACHES "reaches" K_WITH "with"
%token <name> K_REPEAT "repeat" K_ACKNOWLEDGEMENT "acknowledgement"
%token <name> K_GIVEN "given" K_EXPECT "expect" K_AFTER "after" K_BEFORE "before" K_IS "is"
%token <name> K_RAMPS "ramps" K_OVER "over" K_UNSEEN "unseen" K_APPROVAL "approval"
%token <name> K_SERIES "series" K_LABEL "label" K_ANNOTATION "annotation" K_FIRING "firing"
%token <name> K_DENIED "denied" K_STREAM "stream" K_NO "no" K_TIMES "times" K_REFUSED "a clause of later versions"
%token <name> K_AND "and" K_OR "or" K_UNLESS "unless" K_ATAN2 "atan2" K_BOOL "bool" K_BY "by"
%token <name> K_WITHOUT "without" K_ON "on" K_IGNORING "ignoring" K_GROUP_LEFT "group_left"
%token <name> K_GROUP_RIGHT "group_right" K_OFFSET "offset" K_START "start" K_ANCHORED "anchored" K_SMOOTHED "smoothed" K_END "end"
%token <quantity> K_INF_NAN "Inf or NaN"

%type <name> usable label any word typed reserved
%type <names> labels label_list names
%type <quantity> number duration time times effect span reckoned reckoning unit signed_quantity quantity offset every
%type <amount> amount simple_amount
%type <expr> expr postfix primary selector call aggregate value domain_ready argument_string subject
%type <matcher> matchers matcher_list matcher
%type <match_op> match_op
%type <matching> modifiers matched
%type <argument> arguments argument_list values conditions
%type <call> act_call
%type <condition> condition verify
%type <missing> reaction
%type <limit> limit guard_limit keep money step
%type <parameter> parameters parameter_list
%type <affect> affect_list
%type <pair> given_labels pair_list pair
%type <grouping> grouping
%type <flag> counter ready sign

%precedence LOWEST
%precedence K_WHEN
%left K_OR
%left K_AND K_UNLESS
%left POLICY_EQ POLICY_NE POLICY_LE POLICY_GE POLICY_TRIM '<' '>' K_REACHES
%precedence K_WITH
%left '+' '-'
%left '*' '/' '%' K_ATAN2
%right '^'
%precedence '('

%%

start: POLICY_FILE items
    | POLICY_EXPRESSION expr                  { build_result(P, $2); }
    ;

/* ---- statements ---- */

items: %empty
    | items item
    ;
item: K_EDITION POLICY_NUMBER                 { build_edition(P, @$, $2); }
    | K_IMPORT POLICY_STRING                  { build_import(P, @$, $2); }
    | service_head open service_clauses close { build_end(P, @$); }
    | pool
    | K_CHANNEL any '=' word argument_string  { build_channel(P, @$, $2, $4, $5); }
    | K_METRIC metric_name_any unit counter   { build_metric(P, @$, $3, $4, NULL); }
    | K_METRIC metric_name_any unit counter K_BY labels
                                              { build_metric(P, @$, $3, $4, &(struct name_list *){$6}); }
    | K_SIGNAL series_name given_labels every '=' expr
                                              { build_recorded(P, @$, $3, $4, $6); }
    | action_head open action_clauses close   { build_end(P, @$); }
    | guard_head open guard_limits close      { build_end(P, @$); }
    | policy_head open policy_clauses close   { build_end(P, @$); }
    | test_head open test_clauses close       { build_end(P, @$); }
    | error
    ;
open: '{'                                     { token_block_open(P); }
    ;
close: '}'                                    { token_block_close(P); yyerrok; }
    ;
metric_name_any: any                          { P->metric_name = $1; }
    | POLICY_METRIC                           { P->metric_name = $1; }
    ;
series_name: metric_name_any
    | POLICY_STRING                           { P->metric_name = (struct name){$1->string.value, @1}; }
    ;
given_labels: %empty                          { $$ = NULL; }
    | '{' '}'                                 { $$ = NULL; }
    | '{' pair_list '}'                       { RING_OPEN(struct pair, $2, $$); }
    | '{' pair_list ',' '}'                   { RING_OPEN(struct pair, $2, $$); }
    ;
pair_list: pair                               { $$ = build_pair_add(NULL, $1); }
    | pair_list ',' pair                      { $$ = build_pair_add($1, $3); }
    ;
pair: label '=' POLICY_STRING                 { $$ = build_pair(P, @$, $1, $3); }
    | POLICY_STRING '=' POLICY_STRING         { $$ = build_pair(P, @$, (struct name){$1->string.value, @1}, $3); }
    ;
argument_string: %empty                       { $$ = NULL; }
    | '(' POLICY_STRING ')'                   { $$ = $2; }
    ;
counter: %empty                               { $$ = false; }
    | K_COUNTER                               { $$ = true; }
    ;
unit: any                                     { $$ = build_unit(P, $1, NULL); }
    | any '/' any                             { $$ = build_unit(P, $1, &$3); }
    ;

service_head: K_SERVICE any                   { build_service(P, $2); }
    ;
service_clauses: %empty
    | service_clauses service_clause
    ;
service_clause: K_TIER word                   { build_tier(P, @$, $2); }
    | K_DEPENDS K_ON names                    { build_depends(P, @$, $3); }
    | K_OWNER POLICY_STRING                   { build_owner(P, @$, $2); }
    | refused
    | error
    ;
refused: K_REFUSED                            { build_refuse(P, $1); }
    ;

pool: K_POOL any '(' label_list ')' '=' expr domain_ready
                                              { build_pool(P, @$, $2, $4, $7, $8); }
    ;
domain_ready: %empty                          { $$ = NULL; }
    | K_READY expr                            { $$ = $2; }
    | K_READY expr K_DOMAIN word              { $$ = $2; P->domain = $4; }
    | K_DOMAIN word                           { $$ = NULL; P->domain = $2; }
    ;

action_head: K_ACTION any '(' parameters ')'  { build_action(P, $2, $4); }
    ;
parameters: %empty                            { $$ = NULL; }
    | parameter_list
    ;
parameter_list: POLICY_NAMED typed            { $$ = build_parameter(P, NULL, $1, $2); }
    | parameter_list ',' POLICY_NAMED typed   { $$ = build_parameter(P, $1, $3, $4); }
    ;
typed: any
    | reserved
    ;
action_clauses: %empty
    | action_clauses action_clause
    ;
action_clause: K_VIA word                     { build_via(P, @$, $2, NULL); }
    | K_VIA word '.' word                     { build_via(P, @$, $2, &$4); }
    | K_AFFECTS affect_list                   { build_affects(P, @$, $2, NULL); }
    | K_AFFECTS affect_list K_WITHIN duration { build_affects(P, @$, $2, &$4); }
    | K_UNDO act_call                         { build_undo(P, @$, $2); }
    | K_IRREVERSIBLE                          { build_irreversible(P, @$); }
    | K_TIMEOUT duration                      { build_timeout(P, @$, $2); }
    | K_IDEMPOTENT                            { build_idempotent(P, @$); }
    | K_REPLACES any                          { build_replaces(P, @$, $2); }
    | K_PROBE expr                            { build_probe(P, @$, $2); }
    | K_REDUCES word                          { build_reduces(P, @$, $2); }
    | K_READS expr                            { build_reads(P, @$, $2); }
    | K_COSTS quantity                        { build_costs(P, @$, $2, NULL); }
    | K_COSTS quantity K_PER any              { build_costs(P, @$, $2, &$4); }
    | refused
    | error
    ;
affect_list: any '.' word                     { $$ = build_affect(P, NULL, $1, $3); }
    | affect_list ',' any '.' word            { $$ = build_affect(P, $1, $3, $5); }
    ;

guard_head: K_GUARD any                       { build_guard(P, $2); }
    ;
guard_limits: %empty
    | guard_limits guard_limit                { build_guard_limit(P, $2); }
    | guard_limits ',' guard_limit            { build_guard_limit(P, $3); }
    | guard_limits ',' money                  { build_guard_money(P, $3); }
    | guard_limits ',' refused_limit
    | guard_limits refused_limit
    | guard_limits error
    ;
refused_limit: refused
    ;
guard_limit: limit
    | K_AT K_MOST amount K_ACTIONS K_ON K_ANY typed K_PER duration
                                              { $$ = build_limit_actions(P, @$, $3, $7, $9); }
    | K_BETWEEN number K_AND number K_OF K_ANY typed
                                              { $$ = build_limit_between(P, @$, $2, $4, NULL, $7); }
    | K_BETWEEN number K_AND number any K_OF K_ANY typed
                                              { $$ = build_limit_between(P, @$, $2, $4, &$5, $8); }
    | K_AT K_MOST amount K_UNATTENDED K_ACTIONS K_ON K_ANY typed K_PER duration
                                              { $$ = build_limit_unattended(P, @$, $3, $8, $10); }
    | K_AT K_MOST amount K_ACTIONS K_PER duration
                                              { $$ = build_limit_total(P, @$, $3, $6); }
    | K_AT K_MOST amount K_DOMAINS K_OF any K_PER duration
                                              { $$ = build_limit_domains(P, @$, $3, $6, $8); }
    | K_NOT K_DURING POLICY_STRING POLICY_DOTS POLICY_STRING K_IN POLICY_STRING
                                              { $$ = build_not_during(P, @$, $3, $5, $7, NULL); }
    | K_NOT K_DURING POLICY_STRING POLICY_DOTS POLICY_STRING K_IN POLICY_STRING K_FOR K_IMPACT K_ABOVE word
                                              { $$ = build_not_during(P, @$, $3, $5, $7, &$11); }
    | K_STORM K_ABOVE amount K_OF any         { $$ = build_storm(P, @$, $3, $5); }
    | K_EXCLUSIVE K_ON typed                  { $$ = build_exclusive(P, @$, $3); }
    | step                                    { $$ = build_step_inherits(P, $1); }
    | step K_OF K_ANY typed                   { $$ = build_step_of(@$, $1, $4); }
    | K_SPEND K_AT K_MOST money               { $$ = build_spend(@$, $4); }
    | K_ONLY K_WHILE expr                     { $$ = build_only_while(P, @$, $3); }
    | keep
    ;
step: K_STEP K_AT K_MOST quantity K_PER duration { $$ = build_step(P, @$, $4, $6); }
    ;
money: quantity K_PER duration                { $$ = build_money(P, @$, $1, $3); }
    ;
keep: K_KEEP K_AT K_LEAST amount K_OF any ready { $$ = build_keep(P, @$, $4, $6); }
    ;
ready: %empty                                 { $$ = false; }
    | K_READY                                 { $$ = true; }
    ;
limit: K_AT K_MOST amount K_OF typed K_PER duration { $$ = build_limit(P, @$, $3, $5, $7); }
    | K_AT K_MOST amount K_OF typed K_PER duration K_IN K_EACH K_DOMAIN
                                              { $$ = build_limit_each(P, @$, $3, $5, $7); }
    ;
amount: simple_amount
    | POLICY_AGGREGATE '(' simple_amount ',' simple_amount ')' { $$ = build_amount_min(P, @$, $1, $3, $5); }
    ;
simple_amount: POLICY_NUMBER                  { $$ = build_amount(P, $1); }
    | POLICY_PERCENT                          { $$ = build_amount(P, $1); }
    | POLICY_IDENT                            { $$ = build_amount_word(P, $1); }
    ;

policy_head: policy_name for_each every       { build_every(P, $3); }
    ;
policy_name: K_POLICY any                     { build_policy_head(P, $2); }
    ;
for_each: %empty
    | K_FOR K_EACH any K_IN any               { build_each(P, $3, $5); }
    | K_FOR K_EACH K_SERIES                   { build_each_series(P, @$); }
    | K_FOR K_SERVICE any                     { build_for_service(P, $3); }
    ;
every: %empty                                 { $$ = (struct quantity){0}; }
    | K_EVERY duration                        { $$ = $2; }
    ;
policy_clauses: %empty
    | policy_clauses policy_clause
    ;
policy_clause: K_ABOUT POLICY_STRING          { build_about(P, @$, $2); }
    | K_RISK word                             { build_risk(P, @$, $2); }
    | K_IMPACT word                           { build_impact(P, @$, $2); }
    | K_SIGNAL any '=' expr                   { build_signal(P, @$, $2, $4); }
    | K_WHEN condition                        { build_when(P, @$, $2); }
    | K_CLEAR K_WHEN condition                { build_clear(P, @$, $3); }
    | K_RESOLVED K_WHEN condition             { build_resolved(P, @$, $3); }
    | K_ABORT K_WHEN condition                { build_abort(P, @$, $3); }
    | K_SETTLE duration                       { build_settle(P, @$, $2); }
    | K_ON K_MISSING reaction                 { build_on_missing(P, @$, $3); }
    | K_ON K_STALE '>' duration reaction      { build_on_stale(P, @$, $4, $5); }
    | cause_head K_WHEN expr %prec LOWEST     { build_cause_when(P, @$, $3); }
    | cause_head K_OTHERWISE                  { build_otherwise(P, @$); }
    | K_EVIDENCE expr times                   { build_evidence(P, @$, $2, $3, false); }
    | K_AGAINST expr times                    { build_evidence(P, @$, $2, $3, true); }
    | heal_head open rungs close              { build_heal_end(P, @$); }
    | heal_head open plans close              { build_plans_end(P, @$); }
    | K_BOUND bounds                          { build_clause(P, "bound", @$); }
    | K_SPEND K_AT K_MOST monies              { build_clause(P, "spend", @$); }
    | keep                                    { build_policy_keep(P, $1); }
    | K_KEEP K_FIRING K_FOR duration          { build_keep_firing(P, @$, $4); }
    | K_LABEL pair                            { build_policy_label(P, @$, $2); }
    | K_ANNOTATION pair                       { build_annotation(P, @$, $2); }
    | K_COOLDOWN duration                     { build_cooldown(P, @$, $2, NULL); }
    | K_COOLDOWN duration K_DOUBLING K_TO duration { build_cooldown(P, @$, $2, &$5); }
    | escalate_to %prec LOWEST                { build_escalate_end(P, @$); }
    | escalate_to K_WHEN reasons              { build_escalate_end(P, @$); }
    | refused
    | error
    ;
cause_head: K_CAUSE any                       { build_cause(P, $2, NULL); }
    | K_CAUSE any K_PRIOR number              { build_cause(P, $2, &$4); }
    ;
times: %empty                                 { $$ = (struct quantity){0}; }
    | K_TIMES number                          { $$ = $2; }
    ;
condition: expr                               { $$ = build_condition(@$, $1, NULL); }
    | expr K_FOR duration                     { $$ = build_condition(@$, $1, &$3); }
    ;
reaction: K_HOLD                              { $$ = build_reaction(MISSING_HOLD, NULL); }
    | K_NOTIFY any                            { $$ = build_reaction(MISSING_NOTIFY, &$2); }
    | K_AS K_PROMETHEUS                       { $$ = build_reaction(MISSING_PROMETHEUS, NULL); }
    ;
bounds: limit                                 { build_bound(P, $1); }
    | bounds ',' limit                        { build_bound(P, $3); }
    ;
monies: money                                 { build_policy_spend(P, $1); }
    | monies ',' money                        { build_policy_spend(P, $3); }
    ;
escalate_to: escalate_head climbs repeat
    ;
escalate_head: K_ESCALATE K_TO any            { build_escalate(P, @$, $3); }
    ;
climbs: %empty
    | climbs K_THEN any K_AFTER duration      { build_climb(P, @3, $3, $5); }
    ;
repeat: %empty
    | K_REPEAT K_EVERY duration               { build_repeat(P, $3); }
    ;
reasons: reason
    | reasons K_OR reason
    ;
reason: K_UNRESOLVED K_FOR duration           { build_unresolved(P, @$, $3); }
    | POLICY_IDENT                            { build_reason(P, @$, $1, NULL); }
    | POLICY_IDENT POLICY_IDENT               { build_reason(P, @$, $1, &$2); }
    | POLICY_IDENT '<' number                 { build_reason_below(P, @$, $1, $3); }
    ;

heal_head: K_HEAL                             { build_heal(P, @$, NULL); }
    | K_HEAL names                            { build_heal(P, @$, $2); }
    ;
plans: plan
    | plans plan
    ;
plan: plan_head open rungs close              { build_heal_end(P, @$); }
    ;
plan_head: K_PLAN any effect                  { build_plan(P, @$, $2, $3, NULL); }
    | K_PLAN any effect K_RISK word           { build_plan(P, @$, $2, $3, &$5); }
    ;
effect: %empty                                { $$ = (struct quantity){0}; }
    | K_EFFECT number                         { $$ = $2; }
    ;
rungs: %empty
    | rungs rung
    ;
rung: try act_call approve                    { build_rung(P, @$, $2, NULL, NULL); }
    | try act_call approve verify             { build_rung(P, @$, $2, &$4, NULL); }
    | try act_call approve verify K_WITHIN duration { build_rung(P, @$, $2, &$4, &$6); }
    | K_ELSE K_PAGE any                       { build_page(P, @$, $3); }
    | error
    ;
try: K_TRY                                    { build_try(P, @$, false); }
    | K_THEN                                  { build_try(P, @$, true); }
    ;
approve: %empty
    | K_APPROVE K_BY any K_WITHIN duration    { build_approve(P, NULL, $3, $5); }
    | K_APPROVE K_BY any K_OF any K_WITHIN duration { build_approve(P, &$3, $5, $7); }
    ;
verify: K_VERIFY expr                         { $$ = build_condition(@2, $2, NULL); }
    | K_VERIFY expr K_HOLDS duration          { $$ = build_condition(@2, $2, &$4); }
    ;
act_call: any '(' arguments ')'               { $$ = build_act_call(P, @$, $1, $3); }
    ;

test_head: K_TEST POLICY_STRING               { build_test(P, $2, NULL); }
    | K_TEST POLICY_STRING K_FOR duration     { build_test(P, $2, &$4); }
    ;
test_clauses: %empty
    | test_clauses test_clause
    ;
test_clause: K_GIVEN givens
    | K_EXPECT expects
    | error
    ;
givens: given_at
    | givens ',' given_at
    ;
given_at: given                               { build_given_end(P, @$); }
    | given K_AT duration                     { build_given_at(P, @$, $3); }
    ;
given: given_shape
    | K_AFTER any given_shape                 { build_given_after(P, $2); }
    | approval
    | K_ACKNOWLEDGEMENT                       { build_given(P, GIVEN_ACKNOWLEDGEMENT, NULL); }
    | K_ACKNOWLEDGEMENT K_AFTER duration      { build_given(P, GIVEN_ACKNOWLEDGEMENT, NULL); build_given_delay(P, false, &$3); }
    | K_STREAM POLICY_STRING                  { build_given_stream(P, $2); }
    ;
given_shape: subject K_IS quantity            { build_given_is(P, $1, $3); }
    | subject K_IS K_MISSING                  { build_given(P, GIVEN_MISSING, $1); }
    | subject K_IS K_UNSEEN                   { build_given(P, GIVEN_UNSEEN, $1); }
    | subject K_RAMPS quantity POLICY_ARROW quantity K_OVER duration
                                              { build_given_ramps(P, $1, $3, $5, $7); }
    ;
approval: approval_start
    | approval_start K_AFTER duration         { build_given_delay(P, false, &$3); }
    ;
approval_start: approval_word
    | approval_word K_BY any                  { build_given_by(P, $3); }
    ;
approval_word: K_APPROVAL                     { build_given(P, GIVEN_APPROVAL, NULL); }
    | K_APPROVAL K_DENIED                     { build_given(P, GIVEN_APPROVAL, NULL); build_given_delay(P, true, NULL); }
    ;
subject: selector
    ;
quantity: signed_quantity
    | signed_quantity POLICY_IDENT            { $$ = build_quantity(P, @$, $1, $2, NULL); }
    | signed_quantity POLICY_IDENT '/' any    { $$ = build_quantity(P, @$, $1, $2, &$4); }
    ;
signed_quantity: number
    | '-' number                              { $$ = build_negative(P, @$, $2); }
    | '+' number                              { $$ = $2; }
    ;
expects: expect                               { build_expect_end(P, @$); }
    | expects ',' expect                      { build_expect_end(P, @3); }
    ;
expect: expect_head
    | expect K_ON POLICY_STRING               { build_expect_on(P, @2, $3); }
    | expect K_TO any                         { build_expect_to(P, @2, $3); }
    | expect K_BEFORE duration                { build_expect_before(P, @2, $3); }
    | expect K_AFTER duration                 { build_expect_after(P, @2, $3); }
    | expect K_AT K_MOST POLICY_NUMBER K_TIMES { build_expect_times(P, @2, $4); }
    ;
expect_head: any                              { build_expect(P, $1, false); }
    | K_NO any                                { build_expect(P, $2, true); }
    | K_CAUSE POLICY_IDENT                    { build_expect_cause(P, $1, $2, false); }
    | K_NO K_CAUSE POLICY_IDENT               { build_expect_cause(P, $2, $3, true); }
    ;

/* ---- expressions ---- */

expr: postfix
    | expr K_OR modifiers expr %prec K_OR      { $$ = build_binary(P, @$, OPERATOR_OR, $1, $3, $4); }
    | expr K_AND modifiers expr %prec K_AND    { $$ = build_binary(P, @$, OPERATOR_AND, $1, $3, $4); }
    | expr K_UNLESS modifiers expr %prec K_AND { $$ = build_binary(P, @$, OPERATOR_UNLESS, $1, $3, $4); }
    | expr POLICY_EQ modifiers expr %prec POLICY_EQ { $$ = build_binary(P, @$, OPERATOR_EQ, $1, $3, $4); }
    | expr POLICY_NE modifiers expr %prec POLICY_EQ { $$ = build_binary(P, @$, OPERATOR_NE, $1, $3, $4); }
    | expr POLICY_LE modifiers expr %prec POLICY_EQ { $$ = build_binary(P, @$, OPERATOR_LE, $1, $3, $4); }
    | expr '<' modifiers expr %prec POLICY_EQ  { $$ = build_binary(P, @$, OPERATOR_LT, $1, $3, $4); }
    | expr POLICY_GE modifiers expr %prec POLICY_EQ { $$ = build_binary(P, @$, OPERATOR_GE, $1, $3, $4); }
    | expr POLICY_TRIM modifiers expr %prec POLICY_EQ
                                              { $$ = build_form_refused(P, @2, $1, "trimming of histograms"); }
    | expr '>' modifiers expr %prec POLICY_EQ  { $$ = build_binary(P, @$, OPERATOR_GT, $1, $3, $4); }
    | expr '+' modifiers expr %prec '+'        { $$ = build_binary(P, @$, OPERATOR_ADD, $1, $3, $4); }
    | expr '-' modifiers expr %prec '+'        { $$ = build_binary(P, @$, OPERATOR_SUB, $1, $3, $4); }
    | expr '*' modifiers expr %prec '*'        { $$ = build_binary(P, @$, OPERATOR_MUL, $1, $3, $4); }
    | expr '/' modifiers expr %prec '*'        { $$ = build_binary(P, @$, OPERATOR_DIV, $1, $3, $4); }
    | expr '%' modifiers expr %prec '*'        { $$ = build_binary(P, @$, OPERATOR_MOD, $1, $3, $4); }
    | expr K_ATAN2 modifiers expr %prec '*'    { $$ = build_binary(P, @$, OPERATOR_ATAN2, $1, $3, $4); }
    | expr '^' modifiers expr %prec '^'        { $$ = build_binary(P, @$, OPERATOR_POW, $1, $3, $4); }
    | sign expr %prec '*'                      { $$ = build_unary(P, @$, $1, $2); }
    | POLICY_PERCENT K_OF expr %prec '*'       { $$ = build_percent_of(P, @$, $1, $3); }
    | expr K_REACHES expr %prec K_REACHES      { $$ = build_reaches(P, @$, $1, $3, NULL); }
    | expr K_REACHES expr K_WITH '(' conditions ')' { $$ = build_reaches(P, @$, $1, $3, $6); }
    ;
sign: '-'                                     { $$ = true; }
    | '+'                                     { $$ = false; }
    ;
conditions: values
    ;
modifiers: %empty                             { $$ = build_matching(false); }
    | K_BOOL                                  { $$ = build_matching(true); }
    | matched
    | matched K_GROUP_LEFT %prec LOWEST       { $$ = build_group(P, $1, GROUP_LEFT, NULL); }
    | matched K_GROUP_LEFT labels             { $$ = build_group(P, $1, GROUP_LEFT, $3); }
    | matched K_GROUP_RIGHT %prec LOWEST      { $$ = build_group(P, $1, GROUP_RIGHT, NULL); }
    | matched K_GROUP_RIGHT labels            { $$ = build_group(P, $1, GROUP_RIGHT, $3); }
    ;
matched: K_ON labels                          { $$ = build_on(build_matching(false), true, $2); }
    | K_IGNORING labels                       { $$ = build_on(build_matching(false), false, $2); }
    | K_BOOL K_ON labels                      { $$ = build_on(build_matching(true), true, $3); }
    | K_BOOL K_IGNORING labels                { $$ = build_on(build_matching(true), false, $3); }
    ;

postfix: primary
    | postfix '[' span ']'                    { $$ = build_range(P, @$, $1, $3); }
    | postfix '[' span ':' ']'                { $$ = build_subquery(P, @$, $1, $3, NULL); }
    | postfix '[' span ':' span ']'           { $$ = build_subquery(P, @$, $1, $3, &$5); }
    | postfix K_ANCHORED                      { $$ = build_form_refused(P, @2, $1, "'anchored'"); }
    | postfix K_SMOOTHED                      { $$ = build_form_refused(P, @2, $1, "'smoothed'"); }
    | postfix K_OFFSET offset                 { $$ = build_offset(P, @$, $1, $3); }
    | postfix '@' signed_quantity             { $$ = build_at(P, @$, $1, AT_TIME, &$3); }
    | postfix '@' K_START '(' ')'             { $$ = build_at(P, @$, $1, AT_START, NULL); }
    | postfix '@' K_END '(' ')'               { $$ = build_at(P, @$, $1, AT_END, NULL); }
    ;
span: time
    | reckoned                                { $$ = build_reckoned(P, @$, $1); }
    ;
reckoned: span '+' span                       { $$ = $1; }
    | span '-' span                           { $$ = $1; }
    | span '*' span                           { $$ = $1; }
    | span '/' span                           { $$ = $1; }
    | span '%' span                           { $$ = $1; }
    | span '^' span                           { $$ = $1; }
    | sign span %prec '*'                     { $$ = $2; }
    | '(' span ')'                            { $$ = $2; }
    | reckoning
    ;
reckoning: usable '(' ')'                     { $$ = build_no_time(@$); }
    | usable '(' span ',' span ')'            { $$ = $3; }
    ;
offset: time
    | '(' span ')'                            { $$ = build_reckoned(P, @$, $2); }
    | reckoning                               { $$ = build_reckoned(P, @$, $1); }
    | '-' time                                { $$ = build_negative(P, @$, $2); }
    | '+' time                                { $$ = $2; }
    ;
time: POLICY_NUMBER
    | POLICY_DURATION
    ;
duration: number                              { $$ = build_time(P, $1); }
    ;
number: POLICY_NUMBER
    | POLICY_DURATION
    | POLICY_PERCENT
    | POLICY_QUANTITY
    | K_INF_NAN
    ;
primary: number                               { $$ = build_number(P, @$, $1); }
    | POLICY_STRING
    | selector
    | call
    | aggregate
    | '(' expr ')'                            { $$ = build_paren(P, @$, $2); }
    ;
selector: any                                 { $$ = build_selector(P, @$, &$1, NULL, false); }
    | POLICY_METRIC                           { $$ = build_selector(P, @$, &$1, NULL, false); }
    | reserved                                { $$ = build_reserved(P, @$, $1); }
    | any '{' matchers '}'                    { $$ = build_selector(P, @$, &$1, $3, true); }
    | POLICY_METRIC '{' matchers '}'          { $$ = build_selector(P, @$, &$1, $3, true); }
    | '{' matchers '}'                        { $$ = build_selector(P, @$, NULL, $2, true); }
    ;
matchers: %empty                              { $$ = NULL; }
    | matcher_list
    | matcher_list ','
    ;
matcher_list: matcher
    | matcher_list ',' matcher                { $$ = build_matcher_add($1, $3); }
    ;
matcher: label match_op POLICY_STRING         { $$ = build_matcher(P, @$, &$1, $2, $3); }
    | POLICY_STRING match_op POLICY_STRING    { $$ = build_matcher(P, @$, &(struct name){$1->string.value, @1}, $2, $3); }
    | POLICY_STRING                           { $$ = build_matcher(P, @$, NULL, MATCH_EQ, $1); }
    ;
match_op: '='                                 { $$ = MATCH_EQ; }
    | POLICY_NE                               { $$ = MATCH_NE; }
    | POLICY_RE                               { $$ = MATCH_RE; }
    | POLICY_NRE                              { $$ = MATCH_NRE; }
    ;
call: usable '(' arguments ')'                { $$ = build_call(P, @$, $1, $3); }
    ;
arguments: %empty                             { $$ = NULL; }
    | argument_list                           { RING_OPEN(struct argument, $1, $$); }
    ;
argument_list: expr                           { $$ = build_argument(P, NULL, NULL, $1); }
    | POLICY_NAMED value                      { $$ = build_argument(P, NULL, &$1, $2); }
    | argument_list ',' expr                  { $$ = build_argument(P, $1, NULL, $3); }
    | argument_list ',' POLICY_NAMED value    { $$ = build_argument(P, $1, &$3, $4); }
    ;
value: expr
    | '[' values ']'                          { $$ = build_list(P, @$, $2); }
    ;
values: expr                                  { $$ = build_argument(P, NULL, NULL, $1); }
    | values ',' expr                         { $$ = build_argument(P, $1, NULL, $3); }
    ;
aggregate: POLICY_AGGREGATE '(' arguments ')' { $$ = build_aggregate(P, @$, $1, NULL, $3); }
    | POLICY_AGGREGATE '(' arguments ')' grouping { $$ = build_aggregate(P, @$, $1, &$5, $3); }
    | POLICY_AGGREGATE grouping '(' arguments ')' { $$ = build_aggregate(P, @$, $1, &$2, $4); }
    ;
grouping: K_BY labels                         { $$ = (struct grouping){false, $2}; }
    | K_WITHOUT labels                        { $$ = (struct grouping){true, $2}; }
    ;

/* ---- words ---- */

labels: '(' ')'                               { $$ = NULL; }
    | '(' label_list ')'                      { RING_OPEN(struct name_list, $2, $$); }
    | '(' label_list ',' ')'                  { RING_OPEN(struct name_list, $2, $$); }
    ;
label_list: label                             { $$ = build_name(P, NULL, $1); }
    | POLICY_STRING                           { $$ = build_name(P, NULL, (struct name){$1->string.value, @1}); }
    | label_list ',' label                    { $$ = build_name(P, $1, $3); }
    | label_list ',' POLICY_STRING            { $$ = build_name(P, $1, (struct name){$3->string.value, @3}); }
    ;
names: any                                    { $$ = build_name(P, NULL, $1); }
    | names ',' any                           { $$ = build_name(P, $1, $3); }
    ;
label: word
    ;
any: usable
    | POLICY_AGGREGATE
    ;
usable: POLICY_IDENT | K_SERVICE | K_CHANNEL | K_METRIC | K_ACTION | K_TEST | K_TIER | K_DEPENDS
    | K_OWNER | K_READY | K_DOMAIN | K_COUNTER | K_VIA | K_AFFECTS | K_WITHIN | K_UNDO
    | K_IRREVERSIBLE | K_TIMEOUT | K_IDEMPOTENT | K_REPLACES | K_PROBE | K_AT | K_MOST | K_LEAST
    | K_ACTIONS | K_ANY | K_PER | K_OF | K_BETWEEN | K_NOT | K_STEP | K_FOR | K_EACH | K_IN
    | K_EVERY | K_MISSING | K_STALE | K_HOLD | K_NOTIFY | K_AS | K_PROMETHEUS | K_APPROVE | K_HOLDS
    | K_PAGE | K_DOUBLING | K_TO | K_UNRESOLVED | K_REACHES | K_WITH | K_BEFORE | K_IS
    | K_RAMPS | K_OVER | K_UNSEEN | K_APPROVAL | K_DENIED | K_TIMES | K_REFUSED | K_START
    | K_END | K_ANCHORED | K_SMOOTHED | K_STREAM | K_SERIES | K_LABEL | K_ANNOTATION | K_FIRING
    | K_CAUSE | K_PRIOR | K_OTHERWISE | K_EVIDENCE | K_AGAINST | K_STORM | K_ABOVE
    | K_EXCLUSIVE | K_RESOLVED | K_ABORT | K_SETTLE | K_PLAN | K_EFFECT
    | K_READS | K_COSTS | K_SPEND | K_ONLY | K_WHILE | K_UNATTENDED | K_DOMAINS | K_DURING
    | K_REDUCES
    | K_REPEAT | K_ACKNOWLEDGEMENT
    ;
reserved: K_EDITION | K_IMPORT | K_POOL | K_GUARD | K_POLICY | K_KEEP | K_ABOUT | K_RISK | K_IMPACT
    | K_SIGNAL | K_WHEN | K_CLEAR | K_HEAL | K_TRY | K_VERIFY | K_THEN | K_ELSE | K_BOUND
    | K_COOLDOWN | K_ESCALATE | K_GIVEN | K_EXPECT
    ;
word: any
    | reserved
    | K_AFTER | K_NO
    | K_AND | K_OR | K_UNLESS | K_ATAN2 | K_BOOL | K_BY | K_WITHOUT | K_ON | K_IGNORING
    | K_GROUP_LEFT | K_GROUP_RIGHT | K_OFFSET
    | K_INF_NAN                               { $$ = (struct name){$1.text, @1}; }
    ;
%%
#include "lang/parse/report.h"

static int yyreport_syntax_error(const yypcontext_t *context, struct parser *parser)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *expected[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    for (int i = 0; i < count; i++) {
        expected[i] = yysymbol_name(kinds[i]);
    }
    report_syntax(parser, *yypcontext_location(context), expected, count > 0 ? (size_t)count : 0);
    return 0;
}

static void yyerror(const struct span *span, struct parser *parser, const char *words)
{
    (void)words; /* only "memory exhausted" comes here */
    parser_stop(parser, *span, "open constructs", POLICY_STACK_MAX);
}
