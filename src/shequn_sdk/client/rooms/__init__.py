"""The rooms as both clients show them. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.client.workspace import Workspace

if TYPE_CHECKING:
    from shequn_sdk.client.rooms.approvals import Approvals
    from shequn_sdk.client.rooms.badges import Badges
    from shequn_sdk.client.rooms.calendar import Calendar
    from shequn_sdk.client.rooms.check_ins import CheckIns
    from shequn_sdk.client.rooms.contests import Contests
    from shequn_sdk.client.rooms.conversion import Conversion
    from shequn_sdk.client.rooms.coupons import Coupons
    from shequn_sdk.client.rooms.crises import Crises
    from shequn_sdk.client.rooms.entrances import Entrances
    from shequn_sdk.client.rooms.experiments import Experiments
    from shequn_sdk.client.rooms.feedback import Feedback
    from shequn_sdk.client.rooms.feeds import Feeds
    from shequn_sdk.client.rooms.gatherings import Gatherings
    from shequn_sdk.client.rooms.goals import Goals
    from shequn_sdk.client.rooms.journeys import Journeys
    from shequn_sdk.client.rooms.leaderboards import Leaderboards
    from shequn_sdk.client.rooms.links import Links
    from shequn_sdk.client.rooms.lotteries import Lotteries
    from shequn_sdk.client.rooms.members import Members
    from shequn_sdk.client.rooms.moderation import Moderation
    from shequn_sdk.client.rooms.partners import Partners
    from shequn_sdk.client.rooms.playbook import Playbooks
    from shequn_sdk.client.rooms.points import Points
    from shequn_sdk.client.rooms.polls import Polls
    from shequn_sdk.client.rooms.questions import Questions
    from shequn_sdk.client.rooms.queue import Queue
    from shequn_sdk.client.rooms.rewards import Rewards
    from shequn_sdk.client.rooms.segments import Segments
    from shequn_sdk.client.rooms.shop import Shop
    from shequn_sdk.client.rooms.sign_ups import SignUps
    from shequn_sdk.client.rooms.tiers import Tiers
    from shequn_sdk.client.rooms.topics import Topics
    from shequn_sdk.commerce.conversion import Conversion as AsyncConversion
    from shequn_sdk.commerce.coupons import Coupons as AsyncCoupons
    from shequn_sdk.commerce.experiments import Experiments as AsyncExperiments
    from shequn_sdk.commerce.shop import Shop as AsyncShop
    from shequn_sdk.editorial.approvals import Approvals as AsyncApprovals
    from shequn_sdk.editorial.calendar import Calendar as AsyncCalendar
    from shequn_sdk.editorial.queue import Queue as AsyncQueue
    from shequn_sdk.engagement.check_ins import CheckIns as AsyncCheckIns
    from shequn_sdk.engagement.contests import Contests as AsyncContests
    from shequn_sdk.engagement.gatherings import Gatherings as AsyncGatherings
    from shequn_sdk.engagement.lotteries import Lotteries as AsyncLotteries
    from shequn_sdk.engagement.polls import Polls as AsyncPolls
    from shequn_sdk.engagement.questions import Questions as AsyncQuestions
    from shequn_sdk.engagement.sign_ups import SignUps as AsyncSignUps
    from shequn_sdk.engagement.topics import Topics as AsyncTopics
    from shequn_sdk.feedback.feedback import Feedback as AsyncFeedback
    from shequn_sdk.feeds.feeds import Feeds as AsyncFeeds
    from shequn_sdk.incentives.badges import Badges as AsyncBadges
    from shequn_sdk.incentives.leaderboards import Leaderboards as AsyncLeaderboards
    from shequn_sdk.incentives.points import Points as AsyncPoints
    from shequn_sdk.incentives.rewards import Rewards as AsyncRewards
    from shequn_sdk.incentives.tiers import Tiers as AsyncTiers
    from shequn_sdk.journeys.journeys import Journeys as AsyncJourneys
    from shequn_sdk.links.entrances import Entrances as AsyncEntrances
    from shequn_sdk.links.links import Links as AsyncLinks
    from shequn_sdk.links.partners import Partners as AsyncPartners
    from shequn_sdk.members.members import Members as AsyncMembers
    from shequn_sdk.members.segments import Segments as AsyncSegments
    from shequn_sdk.moderation.crises import Crises as AsyncCrises
    from shequn_sdk.moderation.moderation import Moderation as AsyncModeration
    from shequn_sdk.playbook.goals import Goals as AsyncGoals
    from shequn_sdk.playbook.playbooks import Playbooks as AsyncPlaybooks

__all__ = ["AsyncRooms", "Rooms"]


class AsyncRooms:
    """The rooms of `AsyncShequn`."""

    _workspace: Workspace

    @property
    def members(self) -> AsyncMembers:
        """Who the members are, over all platforms (成员)."""
        from shequn_sdk.members.members import Members

        return self._workspace.room(Members)

    @property
    def moderation(self) -> AsyncModeration:
        """Order in the community: rules, what they did, who decides, appeals, raid mode (秩序管理)."""
        from shequn_sdk.moderation.moderation import Moderation

        return self._workspace.room(Moderation)

    @property
    def crises(self) -> AsyncCrises:
        """Crises: found early, handled on a plan, rehearsed before (危机管理)."""
        from shequn_sdk.moderation.crises import Crises

        return self._workspace.room(Crises)

    @property
    def segments(self) -> AsyncSegments:
        """Which members: typed filters, saved by name, with live counts (人群筛选)."""
        from shequn_sdk.members.segments import Segments

        return self._workspace.room(Segments)

    @property
    def journeys(self) -> AsyncJourneys:
        """What is said and done to members step by step, by day or event (SOP, 用户旅程)."""
        from shequn_sdk.journeys.journeys import Journeys

        return self._workspace.room(Journeys)

    @property
    def links(self) -> AsyncLinks:
        """Links that say where somebody came from: campaign tags and short links with counts (链接)."""
        from shequn_sdk.links.links import Links

        return self._workspace.room(Links)

    @property
    def entrances(self) -> AsyncEntrances:
        """Named ways into the community, so that every join has a source (入口, 渠道)."""
        from shequn_sdk.links.entrances import Entrances

        return self._workspace.room(Entrances)

    @property
    def partners(self) -> AsyncPartners:
        """Brands, sponsors, opinion leaders and other communities: agreements and results (合作)."""
        from shequn_sdk.links.partners import Partners

        return self._workspace.room(Partners)

    @property
    def feeds(self) -> AsyncFeeds:
        """The feeds that a community follows, and its trends (资讯与热点)."""
        from shequn_sdk.feeds.feeds import Feeds

        return self._workspace.room(Feeds)

    @property
    def check_ins(self) -> AsyncCheckIns:
        """Check-ins by the community's local day (打卡), with streaks, make-up cards (补签卡) and milestones."""
        from shequn_sdk.engagement.check_ins import CheckIns

        return self._workspace.room(CheckIns)

    @property
    def polls(self) -> AsyncPolls:
        """Polls over all platforms together (投票): native where there are such, else numbered choices counted from answers."""
        from shequn_sdk.engagement.polls import Polls

        return self._workspace.room(Polls)

    @property
    def questions(self) -> AsyncQuestions:
        """Questions and answers (答疑): who is on duty, what was promised, what waits, and how well it went."""
        from shequn_sdk.engagement.questions import Questions

        return self._workspace.room(Questions)

    @property
    def topics(self) -> AsyncTopics:
        """Topics (话题): opened on a weekly plan, listened to, summed up; no more of the texts is kept than what is shown."""
        from shequn_sdk.engagement.topics import Topics

        return self._workspace.room(Topics)

    @property
    def contests(self) -> AsyncContests:
        """Contests and challenges with works (征集、晒图、挑战赛): entries by hashtag, votes by reaction or number."""
        from shequn_sdk.engagement.contests import Contests

        return self._workspace.room(Contests)

    @property
    def gatherings(self) -> AsyncGatherings:
        """Lectures and meetings, online and offline (活动): sign-up with places, a waiting list that moves up, reminders, attendance."""
        from shequn_sdk.engagement.gatherings import Gatherings

        return self._workspace.room(Gatherings)

    @property
    def sign_ups(self) -> AsyncSignUps:
        """Group solitaire (接龙): members carry on a numbered list; each person has one line, and the last word counts."""
        from shequn_sdk.engagement.sign_ups import SignUps

        return self._workspace.room(SignUps)

    @property
    def lotteries(self) -> AsyncLotteries:
        """Lotteries that everybody can check (抽奖): the seed is committed to before anybody enters; see `engagement.draw`."""
        from shequn_sdk.engagement.lotteries import Lotteries

        return self._workspace.room(Lotteries)

    @property
    def feedback(self) -> AsyncFeedback:
        """What members say of the community, and what becomes of it (反馈)."""
        from shequn_sdk.feedback.feedback import Feedback

        return self._workspace.room(Feedback)

    @property
    def shop(self) -> AsyncShop:
        """Products, orders, refunds and memberships, wherever they were paid (商城)."""
        from shequn_sdk.commerce.shop import Shop

        return self._workspace.room(Shop)

    @property
    def coupons(self) -> AsyncCoupons:
        """Coupons: a share or an amount off, with limits that hold under concurrency (优惠券)."""
        from shequn_sdk.commerce.coupons import Coupons

        return self._workspace.room(Coupons)

    @property
    def conversion(self) -> AsyncConversion:
        """Funnels, attribution and referrals (转化, 归因, 裂变)."""
        from shequn_sdk.commerce.conversion import Conversion

        return self._workspace.room(Conversion)

    @property
    def experiments(self) -> AsyncExperiments:
        """Experiments over members, persons being drawn once over all platforms (A/B 实验)."""
        from shequn_sdk.commerce.experiments import Experiments

        return self._workspace.room(Experiments)

    @property
    def approvals(self) -> AsyncApprovals:
        """Who must say yes before something goes out, and who did (审批)."""
        from shequn_sdk.editorial.approvals import Approvals

        return self._workspace.room(Approvals)

    @property
    def calendar(self) -> AsyncCalendar:
        """What is to be said when and where: ideas, drafts, review, up to what landed (内容日历)."""
        from shequn_sdk.editorial.calendar import Calendar

        return self._workspace.room(Calendar)

    @property
    def queue(self) -> AsyncQueue:
        """The times at which each channel speaks, and what fills them: queue and evergreens (固定时段与待发队列)."""
        from shequn_sdk.editorial.queue import Queue

        return self._workspace.room(Queue)

    @property
    def points(self) -> AsyncPoints:
        """Points (积分) in an append-only double-entry ledger over all platforms."""
        from shequn_sdk.incentives.points import Points

        return self._workspace.room(Points)

    @property
    def badges(self) -> AsyncBadges:
        """Badges (徽章): reached once, kept for good, one per person however many members they have."""
        from shequn_sdk.incentives.badges import Badges

        return self._workspace.room(Badges)

    @property
    def tiers(self) -> AsyncTiers:
        """Membership tiers by points (会员等级), with benefits, grace before one falls, and roles on the platforms."""
        from shequn_sdk.incentives.tiers import Tiers

        return self._workspace.room(Tiers)

    @property
    def leaderboards(self) -> AsyncLeaderboards:
        """Leaderboards of points earned (排行榜), by the community's local days; whoever opted out is not on them."""
        from shequn_sdk.incentives.leaderboards import Leaderboards

        return self._workspace.room(Leaderboards)

    @property
    def rewards(self) -> AsyncRewards:
        """Rewards for points (兑换): stock and points are taken in one transaction, so that nothing is sold twice."""
        from shequn_sdk.incentives.rewards import Rewards

        return self._workspace.room(Rewards)

    @property
    def goals(self) -> AsyncGoals:
        """What the community is to reach (目标管理)."""
        from shequn_sdk.playbook.goals import Goals

        return self._workspace.room(Goals)

    @property
    def playbook(self) -> AsyncPlaybooks:
        """A community's whole plan as one file that runs itself (运营方案)."""
        from shequn_sdk.playbook.playbooks import Playbooks

        return self._workspace.room(Playbooks)


class Rooms(Twin):
    """The rooms of `Shequn`."""

    _rooms: AsyncRooms

    @property
    def members(self) -> Members:
        """See `AsyncShequn.members`."""
        from shequn_sdk.client.rooms.members import Members

        return Members(self._rooms.members, self._portal)

    @property
    def moderation(self) -> Moderation:
        """See `AsyncShequn.moderation`."""
        from shequn_sdk.client.rooms.moderation import Moderation

        return Moderation(self._rooms.moderation, self._portal)

    @property
    def crises(self) -> Crises:
        """See `AsyncShequn.crises`."""
        from shequn_sdk.client.rooms.crises import Crises

        return Crises(self._rooms.crises, self._portal)

    @property
    def segments(self) -> Segments:
        """See `AsyncShequn.segments`."""
        from shequn_sdk.client.rooms.segments import Segments

        return Segments(self._rooms.segments, self._portal)

    @property
    def journeys(self) -> Journeys:
        """See `AsyncShequn.journeys`."""
        from shequn_sdk.client.rooms.journeys import Journeys

        return Journeys(self._rooms.journeys, self._portal)

    @property
    def links(self) -> Links:
        """See `AsyncShequn.links`."""
        from shequn_sdk.client.rooms.links import Links

        return Links(self._rooms.links, self._portal)

    @property
    def entrances(self) -> Entrances:
        """See `AsyncShequn.entrances`."""
        from shequn_sdk.client.rooms.entrances import Entrances

        return Entrances(self._rooms.entrances, self._portal)

    @property
    def partners(self) -> Partners:
        """See `AsyncShequn.partners`."""
        from shequn_sdk.client.rooms.partners import Partners

        return Partners(self._rooms.partners, self._portal)

    @property
    def feeds(self) -> Feeds:
        """See `AsyncShequn.feeds`."""
        from shequn_sdk.client.rooms.feeds import Feeds

        return Feeds(self._rooms.feeds, self._portal)

    @property
    def check_ins(self) -> CheckIns:
        """See `AsyncShequn.check_ins`."""
        from shequn_sdk.client.rooms.check_ins import CheckIns

        return CheckIns(self._rooms.check_ins, self._portal)

    @property
    def polls(self) -> Polls:
        """See `AsyncShequn.polls`."""
        from shequn_sdk.client.rooms.polls import Polls

        return Polls(self._rooms.polls, self._portal)

    @property
    def questions(self) -> Questions:
        """See `AsyncShequn.questions`."""
        from shequn_sdk.client.rooms.questions import Questions

        return Questions(self._rooms.questions, self._portal)

    @property
    def topics(self) -> Topics:
        """See `AsyncShequn.topics`."""
        from shequn_sdk.client.rooms.topics import Topics

        return Topics(self._rooms.topics, self._portal)

    @property
    def contests(self) -> Contests:
        """See `AsyncShequn.contests`."""
        from shequn_sdk.client.rooms.contests import Contests

        return Contests(self._rooms.contests, self._portal)

    @property
    def gatherings(self) -> Gatherings:
        """See `AsyncShequn.gatherings`."""
        from shequn_sdk.client.rooms.gatherings import Gatherings

        return Gatherings(self._rooms.gatherings, self._portal)

    @property
    def sign_ups(self) -> SignUps:
        """See `AsyncShequn.sign_ups`."""
        from shequn_sdk.client.rooms.sign_ups import SignUps

        return SignUps(self._rooms.sign_ups, self._portal)

    @property
    def lotteries(self) -> Lotteries:
        """See `AsyncShequn.lotteries`."""
        from shequn_sdk.client.rooms.lotteries import Lotteries

        return Lotteries(self._rooms.lotteries, self._portal)

    @property
    def feedback(self) -> Feedback:
        """See `AsyncShequn.feedback`."""
        from shequn_sdk.client.rooms.feedback import Feedback

        return Feedback(self._rooms.feedback, self._portal)

    @property
    def shop(self) -> Shop:
        """See `AsyncShequn.shop`."""
        from shequn_sdk.client.rooms.shop import Shop

        return Shop(self._rooms.shop, self._portal)

    @property
    def coupons(self) -> Coupons:
        """See `AsyncShequn.coupons`."""
        from shequn_sdk.client.rooms.coupons import Coupons

        return Coupons(self._rooms.coupons, self._portal)

    @property
    def conversion(self) -> Conversion:
        """See `AsyncShequn.conversion`."""
        from shequn_sdk.client.rooms.conversion import Conversion

        return Conversion(self._rooms.conversion, self._portal)

    @property
    def experiments(self) -> Experiments:
        """See `AsyncShequn.experiments`."""
        from shequn_sdk.client.rooms.experiments import Experiments

        return Experiments(self._rooms.experiments, self._portal)

    @property
    def approvals(self) -> Approvals:
        """See `AsyncShequn.approvals`."""
        from shequn_sdk.client.rooms.approvals import Approvals

        return Approvals(self._rooms.approvals, self._portal)

    @property
    def calendar(self) -> Calendar:
        """See `AsyncShequn.calendar`."""
        from shequn_sdk.client.rooms.calendar import Calendar

        return Calendar(self._rooms.calendar, self._portal)

    @property
    def queue(self) -> Queue:
        """See `AsyncShequn.queue`."""
        from shequn_sdk.client.rooms.queue import Queue

        return Queue(self._rooms.queue, self._portal)

    @property
    def points(self) -> Points:
        """See `AsyncShequn.points`."""
        from shequn_sdk.client.rooms.points import Points

        return Points(self._rooms.points, self._portal)

    @property
    def badges(self) -> Badges:
        """See `AsyncShequn.badges`."""
        from shequn_sdk.client.rooms.badges import Badges

        return Badges(self._rooms.badges, self._portal)

    @property
    def tiers(self) -> Tiers:
        """See `AsyncShequn.tiers`."""
        from shequn_sdk.client.rooms.tiers import Tiers

        return Tiers(self._rooms.tiers, self._portal)

    @property
    def leaderboards(self) -> Leaderboards:
        """See `AsyncShequn.leaderboards`."""
        from shequn_sdk.client.rooms.leaderboards import Leaderboards

        return Leaderboards(self._rooms.leaderboards, self._portal)

    @property
    def rewards(self) -> Rewards:
        """See `AsyncShequn.rewards`."""
        from shequn_sdk.client.rooms.rewards import Rewards

        return Rewards(self._rooms.rewards, self._portal)

    @property
    def goals(self) -> Goals:
        """See `AsyncShequn.goals`."""
        from shequn_sdk.client.rooms.goals import Goals

        return Goals(self._rooms.goals, self._portal)

    @property
    def playbook(self) -> Playbooks:
        """See `AsyncShequn.playbook`."""
        from shequn_sdk.client.rooms.playbook import Playbooks

        return Playbooks(self._rooms.playbook, self._portal)
