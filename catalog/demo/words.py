"""Lyrics of half of the demo pieces, by title. They were written for Affetti."""

from __future__ import annotations

from typing import Final

LYRICS: Final = {
    "Every Window Open": """\
Every window open and the city singing through
Kick off your Monday shoes, there is dancing we can do
My heart is a drum on a rooftop in the sun
Call everybody over, we have only just begun
Hands up, hands up, the evening is ours
Laughing like children and counting the cars
Oh, I feel so alive when the bassline rises
Love in the air and a sky of surprises
Every window open, every light aglow
We are happy, we are happy, and we want the world to know""",
    "Lemonade Parade": """\
Here come the brothers with a barrow of lemons
Here comes my sister with a trumpet to play
Sugar in the bucket and a smile on the baker
Everybody dance on lemonade day
Jump, little Rosie, jump over the puddle
Skip, Mister Fisher, with your hat full of cheese
We are too delighted to get into trouble
Bring all your cousins and your bumblebees
One, two, three, what a beautiful morning
Four, five, six, we are merry and loud""",
    "Sunday Rockets": """\
We built a rocket out of cardboard and hope
Painted it golden, tied it up with a rope
You were the captain and I was the crew
I would have gone to the moon with you
Oh, we are flying, oh, we are free
Wind in our faces and friends on the sea
Turn up the radio, sing out of tune
Summer is coming and coming soon
Count down with me now, ten down to one
Nothing can catch us, we race with the sun""",
    "Confetti Engine": """\
You turn the key and the colours begin
A thousand bright pieces of paper and tin
Sparkle on the dashboard, glitter on the floor
I was only smiling, now I am smiling more
Start it up, my confetti engine
Spin me around in a new direction
Dance me past the edge of the town
Your laugh is a light and it never goes down
Tonight is a present with ribbons undone
Start it up, darling, and let us have fun""",
    "Hill Road, Both Feet Off the Pedals": """\
Top of the hill and the brakes are a rumour
The whole valley shouting hello
I have a pocket of coins and good humour
Three, two, one, and we go
Faster, faster, the hedges are flying
Faster, my hair is a flag
Laughing so hard that I might just be crying
Apples fall out of my bag
Nobody ever was younger than we are
Nobody ever this bold
Ring all the bells on the way to the seaside
We are never, no, never growing old""",
    "Kitchen Floor Samba": """\
Put down the dishes, my darling, and dance
The kettle is keeping the beat
Flour on your fingers and spice in the air
And the tiles are warm under our feet
One step to the table, two steps to the door
Your cheek smells of cinnamon bread
The neighbours are tapping along on the wall
They are happy, they should be in bed
Sway with me slowly, then turn with me quick
The soup can take care of the rest""",
    "Two Left Shoes": """\
I came to the party with two left shoes
I stepped on the mayor and I stepped on the news
But you took my hand and you said, never mind
We will make up a dance of a brand new kind
So hop to the left, and then hop left again
We are going in circles with all of our friends
The band is delighted, the drummer is too
I have never been lucky till I danced with you""",
    "Almost Summer": """\
School bag in the hedge and the gate swinging wide
There is warm on the wall where the cats sit outside
You said you would call me, you said it was true
I wait by the window all hopeful and new
It is almost summer, I can feel it begin
Open the door now and let it all in
The days are a ladder, I climb every rung
The song of the season is here on my tongue
Something is coming and something is near
Almost, almost, almost here""",
    "Iron Teeth": """\
You fed the fire and you blamed the smoke
You swore an oath and the oath is broke
Now hear the grinding underneath
The furnace opens its iron teeth
Hate is a hammer, hate is a nail
I pull down the tower, I burn down the jail
No more kneeling, no more chains
Rage is the river that runs in my veins
Scream, you liars, scream and run
The beast is awake and the day is done""",
    "Burn the Ledger": """\
You wrote our names in a book of debt
You took the roof and you want more yet
You counted the bread and you counted the tears
You stole my father, you stole his years
Burn the ledger, burn it black
Nothing you take will you give us back
I am the fury you left at the gate
I am the fist and I am the hate
Break the windows, break the door
You will not cheat us any more""",
    "Shout at the Landlord": """\
Water through the ceiling and a rat in the hall
You put the rent up and you painted the wall
I called you on Tuesday, you hung up the phone
You live in a palace and we live in a bone
Shout at the landlord, shout in his face
We are sick of the damp and sick of this place
Liar, liar, your pockets are fat
You threw out my neighbour and laughed about that
Kick up the noise now, kick up a fight
Nobody is going to be quiet tonight""",
    "Broken Bottle Choir": """\
Friday, and the street is a broken bottle choir
Somebody is bleeding and a bin is on fire
I hate this town and the town hates me
Nothing to do but to fight and flee
You said I was trouble, you said I was trash
I punch at the mirror and listen to it crash
Sirens, sirens, singing my name
Nobody listens and nobody came
Smash it, smash it, all of it down
Angry young ghosts of a dead-end town""",
    "Machine Fever": """\
Wake at the siren, march to the line
Your hands are the company's, so is your spine
The belt never stops and the lights never sleep
The poison is cheap and the pit is deep
Fever, fever, burning machine
Grinding the bone till the metal is clean
They measure your breathing, they punish your pain
They wipe you away like a grease on the chain
I want to tear out the wires and run
The fever is hunting us one by one""",
    "Slander": """\
You spat my name in every ear
You fed them lies and you fed them fear
Coward with a smile like a rusted blade
I will drag to the light the mess you made
Slander, slander, poison and spite
I bite the hand that hates in the night
Choke on the venom, choke on the shame
I will carve in the door who was truly to blame
No forgiveness, no retreat
Eat every word and rot as you eat""",
    "The House After": """\
The clock in the hallway has nothing to say
I fold up your blanket and put it away
The kettle goes cold and I pour it again
For one, and not two, and I cannot say when
I last heard you laughing, I last heard your name
The house is so quiet, and I am to blame
The dust on the piano, the grief in the stair
I reach in the dark and you are not there
Oh, sorrow sits down in the chair by the bed
And counts all the things that I never said""",
    "Your Coat Still Hanging": """\
Your coat is still hanging on the hook by the door
It smells of the winter, it drips on the floor
No, that is only the rain coming in
I mend what I can, but the roof is too thin
I miss you at evening, I miss you at dawn
I talk to the garden, the roses are gone
They told me that tears would be gone by the spring
But spring came without you and lost everything
Your coat is still hanging, I leave it alone
And lie down and weep in a house made of stone""",
    "Slow Ferry Blues": """\
I woke up this morning and my baby had gone
Took the slow ferry with her good dress on
I stood on the jetty till the light went low
Nobody to hold me and nowhere to go
Oh, river, you took her, you carry her still
I drink to forget her, I guess I never will
Lonesome old whistle, lonesome old bell
My heart is a stone that you dropped in a well
I cried me an hour, I cried me a year
The slow ferry sailed and it left me right here""",
    "Requiem for a Lighthouse": """\
The lamp has gone out and the keeper is dead
The gulls have all gathered to mourn at his head
Lay him down gently, the sea at his feet
No ship will he save now, no morning will greet
Rest, weary watchman, the night is so long
The waves are your prayer and the wind is your song
We lit him a candle, it failed in the rain
The dark took the harbour, and dark it remains""",
    "Letters to Nobody": """\
Dear nobody, winter is here once again
The ink has gone brittle, I borrowed the pen
I write what I lost and I fold it in three
The postman walks by and he does not look at me
I dreamed we were younger, I dreamed you were well
I woke to the ache of the funeral bell
Dear nobody, sorry, I should have been kind
The regret that you left is the most that I find
I seal it with candle, I leave it unsent
And wonder all night where the happy years went""",
    "What the River Kept": """\
The river rose in April and it took the lower road
It took my brother's wagon and it took my brother's load
We looked for him till Sunday with the lanterns burning low
Mama stands there calling still, and still she does not know
Oh, what the river kept, it never will return
The hurt is in the water and the water cannot burn
I walk along the levee with my hat against my chest
Lord, I am so tired now and cannot find a rest""",
    "Lullaby for a Paper Boat": """\
Sail, little paper boat, soft on the stream
Carry my darling away to a dream
Stars in the rigging and moon at the prow
Nothing can trouble you, sleep for me now
Gently the rushes are rocking the shore
Quiet the kitten asleep by the door
Drift past the willow, the mill and the sheep
Warm in my arms you are falling asleep""",
    "Morning Has Nowhere to Be": """\
Sun on the table and bread on the board
Somewhere a blackbird is striking a chord
Nothing to hurry for, nothing to mend
Just the slow light and the voice of a friend
Morning has nowhere to be but with me
Honey and milk and the leaves on the tree
Breathe with the meadow and breathe with the hill
All of the world is so peaceful and still
Stay for a while and be easy and kind
There is time, there is time, there is peace in my mind""",
    "Honey Hour": """\
Late in the day when the shadows grow long
Somebody hums us a half-finished song
You lean on my shoulder, we do not say much
The breeze from the water is soft as a touch
It is honey hour, slow and sweet
Sand still warm beneath our feet
Love is as simple as sharing a chair
Gold on the rooftops and salt in your hair
Let it be gentle, let it be slow
There is nowhere on earth I would rather go""",
    "Porch Light": """\
I leave the porch light on for you
The moths keep me company, one or two
The night smells of clover, the crickets agree
Whenever you come is all right by me
Rest your tired head on the swing for a while
I know every step of the road by your smile
No need to explain where the long day has been
The door is not locked, love, so come along in""",
    "Evening Psalm": """\
Peace on the orchard and peace on the lane
Peace on the lamp in the windowpane
Lay down your burden, the labour is done
Grateful we gather and bless the low sun
Hold us in mercy and hold us in light
Keep all the children in comfort tonight
Hope like a river runs quiet and deep
Love be the pillow on which we shall sleep""",
    "Half a Moon, a Whole Harbour": """\
Half a moon and a whole harbour
You and I on the old sea wall
A saxophone somewhere is thinking out loud
And the boats do not mind it at all
I could say I love you, but you know it by now
The night says it better than me
Easy and tender, the ropes and the tide
Rock all of the lamps in the sea
So lend me your scarf and I lend you my arm
We will stroll till the coffee is on""",
}
"""Eight to twelve lines each."""
