%% The programs over Erlang's processes. See ../work.py for what all do alike.
%%
%%     erl -noshell +S 1 +P 4000000 -s programs main ping_pong 400000
-module(programs).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2]).

-define(RING, 1000).
-define(THREAD_RING, 100).
-define(SENDERS, 100).
-define(WORKERS, 60).
-define(CHAMENEOS, 100).
-define(PHILOSOPHERS, 20).
-define(ACCOUNTS, 1000).
-define(OPEN, 100).
-define(AT_ONCE, 1000).

main([Name, N]) ->
    Work = list_to_integer(atom_to_list(N)),
    %% A process of its own: the one of the command line is not an ordinary one.
    Me = self(),
    spawn_link(fun() -> Me ! {result, program(Name, Work)} end),
    receive {result, Result} -> show(Result) end,
    halt().

show({Seconds, Bytes, Resident}) ->
    io:format("{\"seconds\": ~p, \"bytes\": ~p, \"resident\": ~p}~n", [Seconds, Bytes, Resident]);
show(Seconds) ->
    io:format("{\"seconds\": ~p}~n", [Seconds]).

seconds(Work) ->
    Start = now_in_micros(),
    Work(),
    (now_in_micros() - Start) / 1000000.

now_in_micros() ->
    case os:getenv("BENCH_CLOCK") of
        "cpu" -> lists:sum([on_processor(Thread) || Thread <- threads()]) div 1000;
        _ -> erlang:monotonic_time(microsecond)
    end.

times(0, _) -> ok;
times(N, Do) -> Do(), times(N - 1, Do).

threads() ->
    {ok, Threads} = file:list_dir("/proc/self/task"),
    Threads.

on_processor(Thread) ->
    {ok, Text} = file:read_file(["/proc/self/task/", Thread, "/schedstat"]),
    [Nanos | _] = string:split(Text, " "),
    binary_to_integer(Nanos).

program(ping_pong, N) -> ping_pong(N, 7);
program(ping_pong_dict, N) -> ping_pong(N, #{task_id => 1, value => 10, s => <<"x">>});
program(by_name, N) ->
    Main = self(),
    register(ponger, spawn_link(fun() -> ponger(Main) end)),
    seconds(fun() -> pings(N, ponger, 7) end);
program(ring, N) ->
    Main = self(),
    Last = lists:foldl(fun(_, Next) -> spawn_link(fun() -> member(Next) end) end,
                       Main, lists:seq(1, ?RING - 1)),
    seconds(fun() -> times(N div ?RING, fun() ->
        Last ! {hop, 0},
        receive {hop, Hops} -> Hops = ?RING - 1 end
    end) end);
program(spawn, N) ->
    seconds(fun() -> times(N div ?AT_ONCE, fun() ->
        times(?AT_ONCE, fun() -> spawn_monitor(fun() -> ok end) end),
        times(?AT_ONCE, fun() -> receive {'DOWN', _, _, _, _} -> ok end end)
    end) end);
program(call, N) ->
    {ok, Server} = gen_server:start_link(?MODULE, replier, []),
    seconds(fun() -> times(N, fun() -> 7 = gen_server:call(Server, {ask, 7}) end) end);
program(fan_in, N) ->
    Main = self(),
    seconds(fun() ->
        times(?SENDERS, fun() -> spawn_link(fun() -> send_many(Main, N div ?SENDERS) end) end),
        times(N, fun() -> receive {n, _} -> ok end end)
    end);
program(idle, N) ->
    Before = resident(),
    Seconds = seconds(fun() -> times(N, fun() -> spawn(fun() -> receive stop -> ok end end) end) end),
    After = resident(),
    {Seconds, (After - Before) / N, After};
program(cascade, N) ->
    Main = self(),
    {_, Monitor} = spawn_monitor(fun() -> chain(Main, N - 1) end),
    Last = receive {complete, Pid} -> Pid end,
    seconds(fun() ->
        Last ! die,
        receive {'DOWN', Monitor, _, _, _} -> ok end
    end);
program(skynet, N) ->
    Main = self(),
    seconds(fun() ->
        spawn(fun() -> tree(Main, 0, N) end),
        receive {sum, Sum} -> Sum = N * (N - 1) div 2 end
    end);
program(counting, N) ->
    Counter = spawn_link(fun() -> counter(0) end),
    seconds(fun() ->
        times(N, fun() -> Counter ! increment end),
        Counter ! {total, self()},
        receive {total, Total} -> Total = N end
    end);
program(fork_join, N) ->
    Count = N div ?WORKERS,
    seconds(fun() ->
        Workers = [spawn_monitor(fun() -> worker(Count) end) || _ <- lists:seq(1, ?WORKERS)],
        times(Count, fun() -> [Pid ! {job, 37.2} || {Pid, _} <- Workers] end),
        [receive {'DOWN', Monitor, _, _, _} -> ok end || {_, Monitor} <- Workers]
    end);
program(thread_ring, N) ->
    Main = self(),
    Ring = [spawn_link(fun() -> token_holder(Main) end) || _ <- lists:seq(1, ?THREAD_RING)],
    [Pid ! {next, Next} || {Pid, Next} <- lists:zip(Ring, [lists:last(Ring) | lists:droplast(Ring)])],
    seconds(fun() ->
        hd(Ring) ! {token, N},
        receive done -> ok end
    end);
program(chameneos, N) ->
    Main = self(),
    seconds(fun() ->
        Mall = spawn_link(fun() -> mall(N, none, Main) end),
        [spawn_link(fun() -> chameneo(Mall, I rem 3) end) || I <- lists:seq(0, ?CHAMENEOS - 1)],
        receive done -> ok end
    end);
program(philosophers, N) ->
    seconds(fun() ->
        Arbitrator = spawn_link(fun() -> arbitrator(#{}) end),
        All = [spawn_monitor(fun() -> philosopher(Arbitrator, Seat, N div ?PHILOSOPHERS) end)
               || Seat <- lists:seq(0, ?PHILOSOPHERS - 1)],
        [receive {'DOWN', Monitor, _, _, _} -> ok end || {_, Monitor} <- All]
    end);
program(bank, N) ->
    Main = self(),
    Accounts = list_to_tuple([element(2, gen_server:start_link(?MODULE, {account, Main}, []))
                              || _ <- lists:seq(1, ?ACCOUNTS)]),
    seconds(fun() ->
        transfers(0, N, Accounts),
        times(min(N, ?OPEN), fun() -> receive done -> ok end end)
    end).

%% -- messages ---------------------------------------------------------------------------------

ping_pong(N, Payload) ->
    Main = self(),
    Other = spawn_link(fun() -> ponger(Main) end),
    seconds(fun() -> pings(N, Other, Payload) end).

pings(0, _, _) -> ok;
pings(N, Other, Payload) ->
    Other ! {ping, Payload},
    receive {pong, _} -> pings(N - 1, Other, Payload) end.

ponger(Other) ->
    receive {ping, Value} -> Other ! {pong, Value}, ponger(Other) end.

member(Next) ->
    receive {hop, Hops} -> Next ! {hop, Hops + 1}, member(Next) end.

send_many(_, 0) -> ok;
send_many(To, N) -> To ! {n, N}, send_many(To, N - 1).

chain(First, 0) -> First ! {complete, self()}, wait_to_die();
chain(First, Left) -> spawn_link(fun() -> chain(First, Left - 1) end), wait_to_die().

wait_to_die() -> receive die -> exit(the_end_of_the_chain) end.

tree(Parent, Number, 1) -> Parent ! {sum, Number};
tree(Parent, Number, Leaves) ->
    Me = self(),
    Part = Leaves div 10,
    [spawn(fun() -> tree(Me, Number + I * Part, Part) end) || I <- lists:seq(0, 9)],
    Parent ! {sum, sums(10, 0)}.

sums(0, Total) -> Total;
sums(Left, Total) -> receive {sum, Sum} -> sums(Left - 1, Total + Sum) end.

resident() ->
    garbage_collect(),
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:split(Text, " ", all),
    binary_to_integer(Pages) * 4096.

%% -- Savina -----------------------------------------------------------------------------------

counter(Count) ->
    receive
        increment -> counter(Count + 1);
        {total, From} -> From ! {total, Count}
    end.

worker(0) -> ok;
worker(Left) -> receive {job, Number} -> _ = math:pow(math:sin(Number), 2), worker(Left - 1) end.

token_holder(Main) -> receive {next, Next} -> token_holder(Main, Next) end.
token_holder(Main, Next) ->
    receive
        {token, 0} -> Main ! done;
        {token, Left} -> Next ! {token, Left - 1}
    end,
    token_holder(Main, Next).

mall(N, none, Main) ->
    receive {meet, Pid, Colour} -> mall(N, {Pid, Colour}, Main) end;
mall(0, _, Main) ->
    receive {meet, _, _} -> mall(0, waiting, Main) end;
mall(N, {First, _}, Main) ->
    receive {meet, Pid, Colour} -> First ! {partner, Pid, Colour} end,
    case N of
        1 -> Main ! done, mall(0, waiting, Main);
        _ -> mall(N - 1, none, Main)
    end.

chameneo(Mall, Colour) ->
    Mall ! {meet, self(), Colour},
    receive
        {changed, New} -> chameneo(Mall, New);
        {partner, Partner, Other} ->
            New = complement(Colour, Other),
            Partner ! {changed, New},
            chameneo(Mall, New)
    end.

complement(Same, Same) -> Same;
complement(One, Other) -> 3 - One - Other.

arbitrator(Taken) ->
    receive
        {hungry, Left, Pid} ->
            Right = (Left + 1) rem ?PHILOSOPHERS,
            case Taken of
                #{Left := true} -> Pid ! {eat, false}, arbitrator(Taken);
                #{Right := true} -> Pid ! {eat, false}, arbitrator(Taken);
                _ -> Pid ! {eat, true}, arbitrator(Taken#{Left => true, Right => true})
            end;
        {done, Left} ->
            Right = (Left + 1) rem ?PHILOSOPHERS,
            arbitrator(Taken#{Left => false, Right => false})
    end.

philosopher(_, _, 0) -> ok;
philosopher(Arbitrator, Seat, Meals) ->
    eat(Arbitrator, Seat),
    Arbitrator ! {done, Seat},
    philosopher(Arbitrator, Seat, Meals - 1).

eat(Arbitrator, Seat) ->
    Arbitrator ! {hungry, Seat, self()},
    receive
        {eat, true} -> ok;
        {eat, false} -> eat(Arbitrator, Seat)
    end.

transfers(N, N, _) -> ok;
transfers(I, N, Accounts) ->
    if I >= ?OPEN -> receive done -> ok end; true -> ok end,
    Source = I * 7919 rem (?ACCOUNTS * 8 div 10),
    To = Source + 1 + I * 104729 rem (?ACCOUNTS - Source - 1),
    gen_server:cast(element(Source + 1, Accounts), {transfer, element(To + 1, Accounts), 10}),
    transfers(I + 1, N, Accounts).

%% -- the servers of call and of the bank --------------------------------------------------------

init(replier) -> {ok, replier};
init({account, Teller}) -> {ok, {Teller, 0}}.

handle_call({ask, Value}, _, State) -> {reply, Value, State};
handle_call({credit, Amount}, _, {Teller, Balance}) -> {reply, true, {Teller, Balance + Amount}}.

handle_cast({transfer, To, Amount}, {Teller, Balance}) ->
    true = gen_server:call(To, {credit, Amount}),
    Teller ! done,
    {noreply, {Teller, Balance - Amount}}.
