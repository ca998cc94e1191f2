"""Words that are no topic: they end a phrase, or do not make one alone."""

from __future__ import annotations

# Function words of English.
_FUNCTION = """
a about above after again against ago ahead all almost along already also although always am amid among an and
another any anyone anything are aren't around as at away back be became because become becomes been before
behind being below between beyond both but by can can't cannot could couldn't despite did didn't do does
doesn't doing don't done down due during each either else ever every everyone everything except few for from
further get gets getting go goes going gone got had hadn't has hasn't have haven't having he her here hers
herself him himself his how however i i'm if in inside instead into is isn't it it'll it's its itself just
keep keeps let let's like likely made make makes making many may maybe me might more most much must my myself
near nearly need needs neither never no nobody none nor not nothing now of off often on once one only onto or
other others our ours ourselves out outside over own per perhaps put puts quite rather really same she should
shouldn't since so some someone something soon still such take takes than that that's the their theirs them
themselves then there these they they're this those though through throughout to together too toward towards
under until up upon us use used using very via vs was wasn't we we're well were weren't what what's
when where whether which while who whom whose why will with within without won't would wouldn't yet you you'll
you're your yours yourself
"""
# What headlines are written with, whatever they are about.
_REPORTING = """
according add adds analysis announce announced announces announcing big breaking call called calls claim
claims come comes coming day days despite early expect expected expects explain explained
explains face faces find finds first following give gives good great here's hour hours keep key know last late
later latest little live long look looking looks major mean means minute minutes month months new
news next part people podcast read recap report reported reportedly reporting reports reveal revealed
reveals right roundup said say saying says second see seen sees set sets show shows sign signs start started
starts state story suggest suggests tell tells thing things think thinks third time times today tomorrow
tonight top update updated updates video warn warned warns want wants watch way ways week weekly weeks world
year years yesterday
"""
# How prices move: that is what a score says, and no topic.
_MOVES = """
bounce bounces break breaks breakout climb climbed climbs close closes cross crosses decline declines dip dips
down drop dropped drops dump dumps edge edges end ends extend extends eye eyes fall fallen falling falls fell
gain gained gains high higher highest hit hits hold holds hover hovers jump jumped jumps lead leads lose loses
loss losses lost low lower lowest move moves open opens pare pares plummet plummets plunge plunged plunges
poised post posts pullback pump pumps pushes rallies rally rallying reach reached reaches rebound rebounds
recover recovers red remain remains retreat retreats return returns rise risen rises rising rose sank shed
sheds sink sinks skyrocket skyrockets slide slides slip slips slump slumps soar soared soaring soars spike
spikes stay stays struggle struggles surge surged surges surging surpass surpasses swing swings tank tanks
test tests touch touches trade traded trades trading tumble tumbled tumbles turn turns worth
"""
# Words of nearly every headline of this field: they name something only together with another word.
_GENERIC = """
altcoin analyst asset bear billion bull chart coin crypto cryptocurrency currency digital dollar forecast
future global investor level market million money outlook point prediction price share stock token trader
trillion usd usdt user value volume
"""
STOP_WORDS = frozenset((_FUNCTION + _REPORTING + _MOVES).split())
GENERIC = frozenset(_GENERIC.split())
