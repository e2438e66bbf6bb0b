// Package upkeep keeps things open that are found by name and cost something to open (the
// index or the word counts of an account), for as long as they are in use and a while
// longer, and does their work in the background.
//
// A [Keeper] opens a thing when somebody first asks for it, [Keeper.Acquire], hands the
// same one to all who ask meanwhile, and closes it when nobody has used it for long, when
// there are too many, when it is sent away ([Keeper.Detach]), and at the end.
//
// Things may have work: [Keeper.Touch] and [Keeper.Schedule] queue a name for it, and so
// does an open thing by itself, Options.Await. One worker takes the name that has
// waited longest, opens what belongs to it, does a bounded piece of its work, and puts the
// name at the end when there is more. After a failure a name waits, longer each time.
//
// A [Foreground] is told of the commands that somebody waits for, and makes work in the background
// give way to them.
//
// # Goroutines
//
// The worker, and one small one for each open thing, for Options.Await.
// [Keeper.Close] stops all of them and waits.
//
// # Lock order
//
// The Keeper's mutex is held for moments only, and nothing of the things is called under it:
// Open, Work, Close and the other functions of [Options] may take locks of their own, and
// call Touch, Schedule and Stats.
package upkeep
